"""Admit sessions while the work that is expected of all of them fits the workers; pure.

Times are seconds on any monotonic clock.
"""

import itertools
import math
from dataclasses import dataclass

from stream.engine.scheduling.load import Costs, SessionUsage
from stream.recognition.places import Refusal, WorkClass

_TALKERS_PER_WORKER = 10
# A streaming model decodes nothing twice; each of so many sessions may take a twentieth of a core.
_STREAMS_PER_WORKER = 20
# A session counts as talking for so long after its last call, and after it was admitted.
_TALKING_SECONDS = 10.0
# The part of its expected share that an admitted session counts with while it is quiet.
_QUIET_SHARE = 0.5
# A session without a hold is remembered for so long after its last call; of too many, the oldest is forgotten first.
_KNOWN_SECONDS = 300.0
_MOST_KNOWN_PER_PLACE = 2
# Sessions that another engine, or this one before a restart, had admitted are admitted up to this multiple of the load.
_READMITTED = 2.0
# The part of the places that an owner with more than an even share leaves to others.
_LEFT_TO_OTHERS = 0.25
# We cannot predict when a place becomes free; suggest a short retry, for a call of a file a shorter one.
_SESSION_RETRY_SECONDS = 5.0
_CALL_RETRY_SECONDS = 1.0
# Below this part of the workers late finals refuse nobody: the decodes themselves are slow then.
_LITTLE_LOAD = 0.25
_ROUNDING = 1e-9
_NAMELESS = "\0"


class FullError(Exception):
    """No place is free; the message is for the client, which may retry after `retry_after_seconds`."""

    def __init__(self, reason: Refusal, sentence: str, retry_after_seconds: float = _CALL_RETRY_SECONDS) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


def default_places(workers: int, *, are_streaming: bool = False) -> int:
    """How many sessions may talk at once to the bundled model with so many workers, or to streaming models."""
    return (_STREAMS_PER_WORKER if are_streaming else _TALKERS_PER_WORKER) * workers


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Places in units of a plain talker: how many there are, are taken and are free."""

    places: int
    taken: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRequest:
    """A live session, or a call of one, that is to be admitted.

    `session` is "" if the client names none, `owner` if there is one owner only; `was_admitted` if the session was
    admitted before, here or by another engine; `is_late` while finals come late.
    """

    session: str = ""
    owner: str = ""
    work: WorkClass = WorkClass.PLAIN
    was_admitted: bool = False
    is_late: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class Place:
    """The place of a session: its open `calls` and the `holds` of its gateway.

    `active_at` is when it was admitted, or when its last call ended.
    """

    session: str
    owner: str
    usage: SessionUsage
    active_at: float
    is_file: bool = False
    calls: int = 0
    holds: int = 0
    was_held: bool = False


class Admission:
    """Admits sessions while the work that is expected of all of them fits the workers; never evicts one.

    All workers together are enough for `places` plain talkers. While a session talks, and for 10 s after, it is
    expected to take what others of its class of work have taken (`Costs`), or what it took itself if that is more; half
    of that while it is quiet. A session keeps its place from `hold` to `release`. One that only makes calls keeps it
    from its first call until 10 s after its last, and is admitted again for five minutes; a call without a session is
    a session of its own. Files have places of their own, half as many, for single calls: their decodes wait for those
    of all talkers, so they take no capacity away. Without `has_partials` no work is reserved for partials.
    """

    def __init__(self, places: int, workers: int, *, has_partials: bool = True) -> None:
        if places < 1:
            raise ValueError(f"places is {places}; at least 1 is needed")
        self.places = places
        self.costs = Costs(workers / places, has_partials=has_partials)
        self._workers = workers
        self._known: dict[str, Place] = {}  # the one whose last call ended first comes first
        self._files = 0
        self._numbers = itertools.count()

    @property
    def n_known(self) -> int:
        """How many sessions would be admitted again."""
        return len(self._known)

    def capacity(self, now: float, *, is_late: bool = False) -> Occupancy:
        """Return the places for plain talkers; none is free while finals come late (`is_late`)."""
        self._forget_old(now)
        expected = self.costs.expected(WorkClass.PLAIN)
        load = self._load(now)
        is_late = self._is_behind(now, is_late=is_late)
        free = 0 if is_late else max(0, math.floor((self._workers - load) / expected + _ROUNDING))
        places, taken = math.floor(self._workers / expected + _ROUNDING), math.ceil(load / expected - _ROUNDING)
        return Occupancy(places=max(1, places), taken=taken, free=free or int(not load and not is_late))

    def hold(self, request: AdmissionRequest, now: float) -> Place:
        """Admit a live session until `release`; raises FullError."""
        self._forget_old(now)
        place = self._known.get(request.session) or self._admit(request, now)
        place.holds += 1
        place.was_held = True
        return place

    def release(self, place: Place, now: float) -> None:
        """End a session that `hold` admitted."""
        place.holds -= 1
        self._note_activity(place, now)

    def enter(self, request: AdmissionRequest, now: float, *, is_file: bool = False) -> Place:
        """Admit a call, which has to `leave`; raises FullError. `is_file` for the audio of a file."""
        self._forget_old(now)
        if is_file:
            place = self._file(request.session, now)
        else:
            place = self._known.get(request.session) or self._admit(request, now)
        place.calls += 1
        return place

    def leave(self, place: Place, now: float) -> None:
        """End a call that `enter` admitted."""
        place.calls -= 1
        if place.is_file:
            self._files -= 1
        else:
            self._note_activity(place, now)

    def _admit(self, request: AdmissionRequest, now: float) -> Place:
        expected = self.costs.expected(request.work)
        if request.was_admitted:
            self._check_free(expected, now, _READMITTED * self._workers)
        elif self._is_behind(now, is_late=request.is_late):
            raise FullError(Refusal.LATE, "the engine is behind with those who talk", _SESSION_RETRY_SECONDS)
        else:
            self._check_free(expected, now, self._workers)
            self._check_share(request.owner, expected, now)
        self._make_room(now)
        # A session without a name gets one that no metadata can hold.
        name = request.session or f"{_NAMELESS}{next(self._numbers)}"
        usage = SessionUsage(self.costs, request.work)
        place = self._known[name] = Place(session=name, owner=request.owner, usage=usage, active_at=now)
        return place

    def _is_behind(self, now: float, *, is_late: bool) -> bool:
        return is_late and self._load(now) > _LITTLE_LOAD * self._workers

    def _check_free(self, expected: float, now: float, most: float) -> None:
        load = self._load(now)
        if load and load + expected > most + _ROUNDING:
            talking = sum(_is_talking(place, now) for place in self._known.values())
            sentence = f"{talking} sessions are talking, which is as many as this engine has room for"
            raise FullError(Refusal.FULL, sentence, _SESSION_RETRY_SECONDS)

    def _check_share(self, owner: str, expected: float, now: float) -> None:
        """Leave places to other owners if this one has more than an even share, one more owner counted."""
        if not owner:
            return
        owners = {place.owner for place in self._known.values() if place.owner} | {owner}
        own = sum(self._expected(place, now) for place in self._known.values() if place.owner == owner)
        is_above = own + expected > self._workers / (len(owners) + 1) + _ROUNDING
        left = self._workers - self._load(now) - expected
        if is_above and left < _LEFT_TO_OTHERS * self._workers - _ROUNDING:
            sentence = "your sessions have their share of this engine, and the rest is for others"
            raise FullError(Refusal.OWNER, sentence, _SESSION_RETRY_SECONDS)

    def _file(self, session: str, now: float) -> Place:
        most = max(1, self.places // 2)
        if self._files >= most:
            sentence = f"{self._files} files are recognized, and this engine takes no new one above {most}"
            raise FullError(Refusal.FULL, sentence)
        self._files += 1
        return Place(session=session, owner="", usage=SessionUsage(self.costs), active_at=now, is_file=True)

    def _load(self, now: float) -> float:
        return math.fsum(self._expected(place, now) for place in self._known.values())

    def _expected(self, place: Place, now: float) -> float:
        if not _is_talking(place, now):
            # A session without a hold may never come back.
            return _QUIET_SHARE * place.usage.expected if place.holds else 0.0
        return max(place.usage.expected, place.usage.share(now))

    def _note_activity(self, place: Place, now: float) -> None:
        place.active_at = now
        if place.calls or place.holds:
            return
        del self._known[place.session]
        if not place.was_held and not place.session.startswith(_NAMELESS):
            self._known[place.session] = place

    def _make_room(self, now: float) -> None:
        if len(self._known) < _MOST_KNOWN_PER_PLACE * self.places:
            return
        quiet = (name for name, place in self._known.items() if not place.holds and not _is_talking(place, now))
        if name := next(quiet, None):
            del self._known[name]

    def _forget_old(self, now: float) -> None:
        old = [name for name, place in self._known.items() if _is_gone(place, now)]
        for name in old:
            del self._known[name]


def _is_talking(place: Place, now: float) -> bool:
    return place.calls > 0 or now < place.active_at + _TALKING_SECONDS


def _is_gone(place: Place, now: float) -> bool:
    return not (place.calls or place.holds) and now >= place.active_at + _KNOWN_SECONDS
