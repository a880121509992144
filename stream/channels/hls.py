"""Write a channel for HLS players: a media playlist, and its segments of WebVTT.

By RFC 8216. Segments have equal lengths on the clock of the channel, and a segment's number is its place on that clock,
so that every gateway numbers them alike. A segment has each caption of which a part is shown during it, with the
caption's whole time (3.5). It is listed once everything that was spoken in it is settled.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from stream.channels.lines import Line, Lines
from stream.channels.writing import SHORTEST_MS, clock, cues, written

SEGMENT_MS = 6000
"""What RFC 8216's authors recommend for segments."""
LISTED_SEGMENTS = 600
"""An hour: the playlist, which players load every six seconds, has 25 kB then."""
# A segment waits so long for what is settled at this moment, for a publisher that lost its connection or is at another
# gateway, and at most for one that sends nothing.
_SETTLING_MS = 1000
_RETURN_MS = 5000
_LONGEST_WAIT_MS = 60_000
# A time stamp of MPEG-2 has 33 bits, and counts 90,000 a second.
_TICKS_PER_MS = 90
_TICKS_END = 1 << 33


class CompleteSegments:
    """How many segments of a channel are complete; never fewer than before."""

    def __init__(self) -> None:
        self._count = 0

    def advance(self, now_ms: int, settled_ms: Sequence[int], open_ms: int | None) -> int:
        """Return how many are complete at `now_ms` on the channel's clock.

        What was spoken is settled up to `settled_ms` of each publisher that is known here; the first unsettled line
        began at `open_ms`.
        """
        edges = [*settled_ms, now_ms - (_SETTLING_MS if settled_ms else _RETURN_MS)]
        edge_ms = min(edges if open_ms is None else [*edges, open_ms])
        self._count = max(self._count, segment_count(max(edge_ms, now_ms - _LONGEST_WAIT_MS)))
        return self._count

    def end(self, lines: Lines) -> int:
        """Return how many the lines of a channel have that was ended."""
        ends = (line.end_ms for line in lines.spoken())
        self._count = max(self._count, segments_until(max(ends, default=0) + SHORTEST_MS))
        return self._count


def segment_count(settled_ms: int) -> int:
    """Return how many segments are complete when all text before `settled_ms` on the channel's clock is settled."""
    return max(settled_ms, 0) // SEGMENT_MS


def segments_until(end_ms: int) -> int:
    """Return how many segments a channel has whose last line ended at `end_ms`."""
    return -(-max(end_ms, 0) // SEGMENT_MS)


def playlist(count: int, *, began_at: float | None, is_ended: bool, query: str = "") -> Iterator[str]:
    """Yield a media playlist of the last of `count` segments, piece by piece.

    The channel's clock began at `began_at`, in seconds since 1970; None before. `query` is added to the addresses.
    """
    first = max(0, count - LISTED_SEGMENTS)
    yield f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{SEGMENT_MS // 1000}\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
    if began_at is not None and count:
        at = datetime.fromtimestamp(began_at, UTC) + timedelta(milliseconds=first * SEGMENT_MS)
        yield f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}\n"
    address = f"segments/{{}}.vtt{'?' if query else ''}{query}"
    for number in range(first, count):
        yield f"#EXTINF:{SEGMENT_MS / 1000:.3f},\n{address.format(number)}\n"
    if is_ended:
        yield "#EXT-X-ENDLIST\n"


def segment(lines: Iterable[Line], number: int) -> Iterator[str]:
    """Yield a segment of lines that are in the order of their starts, piece by piece.

    Its map says which time stamp of MPEG-2 its start has: that of the channel's clock, which begins anew after 26.5
    hours as all of them do.
    """
    start_ms, end_ms = span_ms(number)
    yield f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{start_ms * _TICKS_PER_MS % _TICKS_END},LOCAL:{clock(start_ms)}\n"
    for cue in cues(lines):
        if cue.start_ms < end_ms and cue.end_ms > start_ms:
            yield f"\n{written(cue)}"


def span_ms(number: int) -> tuple[int, int]:
    """Return the start of a segment and its end, in milliseconds of the channel's clock."""
    return number * SEGMENT_MS, (number + 1) * SEGMENT_MS
