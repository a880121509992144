"""The lines of a caption channel, in the order in which they last changed.

Every change of a line takes a new change id: the time of the change in milliseconds since 1970, or one more than the
last id, so that ids increase from one process to the next, too. A reader that has all changes up to an id misses the
lines whose last change is later, and nothing else: what was in between is out of date. The lines themselves are
therefore the log from which a reader resumes, its place is one number, and a slow reader is sent the newest text of
each line only.

A line that another process changed keeps its change id, and may come after later ones. The order here is therefore that
of places: a line that is changed here has its change id as its place, one that was merged gets a place of its own.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

MOST_LINES = 10_000
"""Lines that a channel holds, some eleven hours of talk without a pause; the oldest ones go first."""

NowMs = Callable[[], int]
"""The time of day in milliseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one speaker said without a break; `start_ms` and `end_ms` are on the clock of the channel.

    `number` identifies the line and counts from 1, `change_id` its last change, the same in all processes; `place` is
    its place in the order of this process. All are 0 until the channel has the line.
    Unsettled text may change. `recognized` is the text before it was corrected, None if it never was. A hidden line is
    shown to nobody. `utterance` names the transcription and the utterance that it is from.
    """

    text: str
    start_ms: int
    end_ms: int
    speaker: str = ""
    is_settled: bool = False
    is_hidden: bool = False
    recognized: str | None = None
    utterance: tuple[str, int] = ("", 0)
    number: int = 0
    change_id: int = 0
    place: int = 0


class Lines:
    """The lines of one channel, `most` at most."""

    def __init__(self, settled: Iterable[Line] = (), *, now_ms: NowMs, most: int = MOST_LINES) -> None:
        """`settled` are the lines so far, in any order; `now_ms` gives the time of day, which change ids follow.

        Further lines are numbered from the highest number on, or as `number_from` says.
        """
        ordered = sorted(settled, key=lambda line: line.change_id)
        self._by_number = {line.number: replace(line, place=line.change_id) for line in ordered}
        self._unsettled: set[int] = set()
        self._last_number = max(self._by_number, default=0)
        # A line that is prepared has a change id and no place yet.
        self._last_id = self._last_place = ordered[-1].change_id if ordered else 0
        self._now_ms = now_ms
        self._most = most

    def __len__(self) -> int:
        return len(self._by_number)

    @property
    def last_change_id(self) -> int:
        """The last place, which is the id of the last change unless that was merged."""
        return self._last_place

    def put(self, line: Line) -> Line:
        """Add a line, or replace the one with its number; return it with its number and its change id."""
        changed = self.prepared(line)
        changed = replace(changed, place=changed.change_id)
        self._last_place = changed.change_id
        self._keep(changed)
        return changed

    def prepared(self, line: Line) -> Line:
        """Return a line with its number and a new change id, to be merged once it is stored."""
        number = line.number
        if not number:
            self._last_number += 1
            number = self._last_number
        return replace(line, number=number, change_id=self._take_id())

    def merge(self, line: Line) -> Line | None:
        """Take a line that was prepared, or that another process changed; return it with its place.

        None if a later change of it is known.
        """
        known = self._by_number.get(line.number)
        if known is not None and known.change_id >= line.change_id:
            return None
        # A reader may have everything up to the last place; only what comes behind it is sent.
        place = line.change_id if line.change_id > self._last_place else self.take_change_id()
        self._last_place, self._last_id = place, max(self._last_id, place)
        merged = replace(line, place=place)
        self._keep(merged)
        return merged

    def _keep(self, line: Line) -> None:
        # The order of a dict is that of insertion, here that of the places.
        self._by_number.pop(line.number, None)
        self._by_number[line.number] = line
        if line.is_settled or line.is_hidden:
            self._unsettled.discard(line.number)
        else:
            self._unsettled.add(line.number)
        if len(self._by_number) > self._most:
            self._drop(min(self._by_number))

    def get(self, number: int) -> Line | None:
        """Return a line by its number."""
        return self._by_number.get(number)

    def number_from(self, first_number: int) -> None:
        """Number further lines from here on; processes that share a channel have numbers of their own."""
        self._last_number = first_number - 1

    def take_change_id(self) -> int:
        """Return a new change id, for a line or for something else that readers learn beside the lines."""
        self._last_place = self._take_id()
        return self._last_place

    def _take_id(self) -> int:
        self._last_id = max(self._last_id + 1, self._now_ms())
        return self._last_id

    def corrected(self, number: int, *, text: str | None = None, is_hidden: bool | None = None) -> Line | None:
        """Change the text of a settled line, or whether it is hidden; return None if there is no such line."""
        line = self._by_number.get(number)
        if line is None or not line.is_settled:
            return None
        recognized = line.recognized
        if text is not None and recognized is None and text != line.text:
            recognized = line.text
        return self.put(
            replace(
                line,
                text=line.text if text is None else text,
                is_hidden=line.is_hidden if is_hidden is None else is_hidden,
                recognized=recognized,
            )
        )

    def forget(self, before_ms: int) -> None:
        """Drop lines that changed last before this time: their text is kept no longer."""
        old = takewhile(lambda line: line.place < before_ms, self._by_number.values())
        for number in [line.number for line in old]:
            self._drop(number)

    def after(self, place: int) -> list[Line]:
        """Return the lines that changed after a place, the earliest change first."""
        newest_first = takewhile(lambda line: line.place > place, reversed(self._by_number.values()))
        return list(newest_first)[::-1]

    def since(self, place: int) -> list[Line]:
        """Return what a connection begins with: all unsettled lines, and the others that changed after `place`."""
        open_lines = sorted((self._by_number[number] for number in self._unsettled), key=lambda line: line.place)
        return [*takewhile(lambda line: line.place <= place, open_lines), *self.after(place)]

    def of(self, transcription_id: str) -> list[Line]:
        """Return the lines that are from a transcription."""
        return [line for line in self._by_number.values() if line.utterance[0] == transcription_id]

    def spoken(self, *, after_ms: int = 0, before_ms: int | None = None) -> Iterator[Line]:
        """Return the settled lines that are shown, in the order in which they were spoken.

        Those that ended by `after_ms`, or began at `before_ms` or later, are left out.
        """
        shown = (
            line
            for line in self._by_number.values()
            if line.end_ms >= after_ms and (before_ms is None or line.start_ms < before_ms)
            if line.is_settled and not line.is_hidden and line.text
        )
        return iter(sorted(shown, key=lambda line: (line.start_ms, line.number)))

    def open_from_ms(self) -> int | None:
        """Return when the first unsettled line began, None without one."""
        return min((self._by_number[number].start_ms for number in self._unsettled), default=None)

    def _drop(self, number: int) -> None:
        del self._by_number[number]
        self._unsettled.discard(number)
