"""Decide which sessions may talk, by the work that they cause; pure.

Times are seconds on any steady clock.
"""

import itertools
import math
from dataclasses import dataclass

from stream.engine.scheduling.load import Costs, Flow
from stream.recognition.places import Refusal, WorkClass

_TALKERS_PER_WORKER = 10
# A pause between the utterances of one who is talking; who has just come is about to talk.
_TALKING_SECONDS = 10.0
# What a session counts that is let in and says nothing.
_QUIET_SHARE = 0.5
# A session that nobody holds is known for so long after its last call; of too many, the quietest is forgotten first.
_KNOWN_SECONDS = 300.0
_MOST_KNOWN_PER_PLACE = 2
# Those who were let in by another engine, or by this one before it died, get in up to this multiple of the capacity.
_READMITTED = 2.0
# An owner with more than an even share leaves this part of the places to others.
_LEFT_TO_OTHERS = 0.25
# Nobody knows when a place becomes free: a client is asked to come again so soon, a call of a file sooner.
_SESSION_RETRY_SECONDS = 5.0
_CALL_RETRY_SECONDS = 1.0
# Late finals are no reason to refuse anybody where so little of the workers is taken: the decodes themselves are slow.
_LITTLE_LOAD = 0.25
_ROUNDING = 1e-9
_NAMELESS = "\0"


class FullError(Exception):
    """No place is free; the sentence is for the caller, who may come again after `retry_seconds`."""

    def __init__(self, reason: Refusal, sentence: str, retry_seconds: float = _CALL_RETRY_SECONDS) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.retry_seconds = retry_seconds


def default_places(workers: int) -> int:
    """How many may talk at once to the bundled model, `workers` decodes at a time."""
    return _TALKERS_PER_WORKER * workers


@dataclass(frozen=True, slots=True)
class Capacity:
    """Places for talkers like the most ordinary one: how many there are, are taken and are free."""

    places: int
    taken: int
    free: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who asks to be let in: a live session, or a call of one.

    `session` is "" where the caller does not say, `owner` where all sessions are one owner's; `was_admitted` when the
    session was let in before, here or by another engine; `is_late` while finals come late.
    """

    session: str = ""
    owner: str = ""
    work: WorkClass = WorkClass.PLAIN
    was_admitted: bool = False
    is_late: bool = False


@dataclass(eq=False, slots=True)
class Place:
    """What a session takes: it has open `calls`, and is held by its gateway or known for a while.

    `heard_at` is when it was let in, or when its last call ended.
    """

    session: str
    owner: str
    flow: Flow
    heard_at: float
    is_file: bool = False
    calls: int = 0
    holds: int = 0
    was_held: bool = False


class Admission:
    """Lets sessions in while the work that is expected of all of them fits the workers; who is in stays in.

    A worker is enough for so many plain talkers, `places` for all workers together. A session is expected to take what
    others of its class of work have taken (`Costs`) or what it took itself if that is more, while it talks and for 10 s
    after; half of that when it is quiet. It is in while it is held, from `hold` to `release`; a session that only makes
    calls is in from its first call until 10 s after its last, and gets in again for five minutes; a call without a
    session is a session of its own. Files have places of their own, half as many, for calls alone: what is decoded for
    them waits for all talkers, so they take nothing away.
    """

    def __init__(self, places: int, workers: int) -> None:
        if places < 1:
            raise ValueError(f"places is {places}; at least 1 is needed")
        self.places = places
        self.costs = Costs(workers / places)
        self._workers = workers
        self._known: dict[str, Place] = {}  # in the order in which they were heard last
        self._files = 0
        self._numbers = itertools.count()

    @property
    def n_known(self) -> int:
        """Sessions that would get in again."""
        return len(self._known)

    def capacity(self, now: float, *, is_late: bool = False) -> Capacity:
        """How many plain talkers there is room for; none while finals come late (`is_late`)."""
        self._forget_old(now)
        expected = self.costs.expected(WorkClass.PLAIN)
        load = self._load(now)
        is_late = self._is_behind(now, is_late=is_late)
        free = 0 if is_late else max(0, math.floor((self._workers - load) / expected + _ROUNDING))
        places, taken = math.floor(self._workers / expected + _ROUNDING), math.ceil(load / expected - _ROUNDING)
        return Capacity(max(1, places), taken, free or int(not load and not is_late))

    def hold(self, arrival: Arrival, now: float) -> Place:
        """Let a live session in until `release`; raises FullError."""
        self._forget_old(now)
        place = self._known.get(arrival.session) or self._admit(arrival, now)
        place.holds += 1
        place.was_held = True
        return place

    def release(self, place: Place, now: float) -> None:
        """The session that `hold` let in has ended."""
        place.holds -= 1
        self._heard(place, now)

    def enter(self, arrival: Arrival, now: float, *, is_file: bool = False) -> Place:
        """Let a call in; `leave` has to follow. Raises FullError.

        `is_file` where nobody is waiting for each word.
        """
        self._forget_old(now)
        if is_file:
            place = self._file(arrival.session, now)
        else:
            place = self._known.get(arrival.session) or self._admit(arrival, now)
        place.calls += 1
        return place

    def leave(self, place: Place, now: float) -> None:
        """A call that `enter` let in has ended."""
        place.calls -= 1
        if place.is_file:
            self._files -= 1
        else:
            self._heard(place, now)

    def _admit(self, arrival: Arrival, now: float) -> Place:
        expected = self.costs.expected(arrival.work)
        if arrival.was_admitted:
            self._check_free(expected, now, _READMITTED * self._workers)
        elif self._is_behind(now, is_late=arrival.is_late):
            raise FullError(Refusal.LATE, "the engine is behind with those who talk", _SESSION_RETRY_SECONDS)
        else:
            self._check_free(expected, now, self._workers)
            self._check_share(arrival.owner, expected, now)
        self._make_room(now)
        # One that says no name gets one that no metadata can hold.
        name = arrival.session or f"{_NAMELESS}{next(self._numbers)}"
        place = self._known[name] = Place(name, arrival.owner, Flow(self.costs, arrival.work), now)
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
        """Leave places to other owners where this one has more than it would have if one more came."""
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
        return Place(session, "", Flow(self.costs), now, is_file=True)

    def _load(self, now: float) -> float:
        return math.fsum(self._expected(place, now) for place in self._known.values())

    def _expected(self, place: Place, now: float) -> float:
        if not _is_talking(place, now):
            # One that nobody holds may have gone for good.
            return _QUIET_SHARE * place.flow.expected if place.holds else 0.0
        return max(place.flow.expected, place.flow.share(now))

    def _heard(self, place: Place, now: float) -> None:
        place.heard_at = now
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
    return place.calls > 0 or now < place.heard_at + _TALKING_SECONDS


def _is_gone(place: Place, now: float) -> bool:
    return not (place.calls or place.holds) and now >= place.heard_at + _KNOWN_SECONDS
