"""Owns who may talk: sessions that are talking have a place, a new one is refused where none is free; pure.

Times are seconds on any steady clock.
"""

from dataclasses import dataclass

_TALKERS_PER_WORKER = 10
# A pause between the utterances of one who is talking.
_TALKING_SECONDS = 10.0
# One who says nothing for so long is new again, and so is who was quiet longest when too many are known.
_KNOWN_SECONDS = 300.0
_MOST_KNOWN_PER_PLACE = 2


class FullError(Exception):
    """No place is free; the sentence is for the caller, who may come again after `retry_seconds`."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.retry_seconds = 1.0


def default_places(workers: int) -> int:
    """How many may talk at once to the bundled model, `workers` decodes at a time; a larger model holds fewer."""
    return _TALKERS_PER_WORKER * workers


@dataclass(slots=True)
class Place:
    """What a session takes; `left_at` is when the last of its `calls` ended."""

    session: str
    is_file: bool = False
    calls: int = 0
    left_at: float = 0.0


class Admission:
    """Gives `places` to sessions; one that has been admitted gets in again for as long as it is known.

    A session takes its place from its first call until 10 s after its last one. It stays known for five minutes:
    who comes back then gets in even where all places are taken, so that a conversation is never cut between two
    utterances. At most twice as many sessions as there are places are known. A call without a session is a session
    of its own, and nobody any more when it ends. Files have places of their own, half as many: what is decoded for them
    waits for all talkers, so they take nothing away.
    """

    def __init__(self, places: int) -> None:
        if places < 1:
            raise ValueError(f"places is {places}; at least 1 is needed")
        self.places = places
        self._known: dict[str, Place] = {}  # in the order in which they left, those with calls anywhere
        self._anonymous = {False: 0, True: 0}

    @property
    def n_known(self) -> int:
        """Sessions that would get in again."""
        return len(self._known)

    def n_talking(self, now: float) -> int:
        """Places of talkers that are taken."""
        return self._taken(now, is_file=False)

    def enter(self, session: str, now: float, *, is_file: bool = False) -> Place:
        """Let a call in; `leave` has to follow. Raises FullError.

        `session` is "" where the caller does not say; `is_file` where nobody is waiting for each word.
        """
        self._forget_old(now)
        place = self._known.get(session)
        if place is None:
            self._check_free(now, is_file=is_file)
            place = Place(session, is_file)
            if session:
                self._make_room(now)
                self._known[session] = place
        place.calls += 1
        self._anonymous[is_file] += not session
        return place

    def leave(self, place: Place, now: float) -> None:
        """A call that `enter` let in has ended."""
        place.calls -= 1
        place.left_at = now
        if place.session:
            self._known[place.session] = self._known.pop(place.session)
        else:
            self._anonymous[place.is_file] -= 1

    def _check_free(self, now: float, *, is_file: bool) -> None:
        taken = self._taken(now, is_file=is_file)
        most = max(1, self.places // 2) if is_file else self.places
        if taken >= most:
            what = "files are recognized" if is_file else "sessions are talking"
            raise FullError(f"{taken} {what}, and this engine takes no new one above {most}")

    def _taken(self, now: float, *, is_file: bool) -> int:
        known = sum(place.is_file is is_file and _is_talking(place, now) for place in self._known.values())
        return self._anonymous[is_file] + known

    def _make_room(self, now: float) -> None:
        if len(self._known) >= _MOST_KNOWN_PER_PLACE * self.places:
            # A place is free, so there are quiet ones among them.
            del self._known[next(name for name, place in self._known.items() if not _is_talking(place, now))]

    def _forget_old(self, now: float) -> None:
        old = [name for name, place in self._known.items() if not place.calls and now >= place.left_at + _KNOWN_SECONDS]
        for name in old:
            del self._known[name]


def _is_talking(place: Place, now: float) -> bool:
    return place.calls > 0 or now < place.left_at + _TALKING_SECONDS
