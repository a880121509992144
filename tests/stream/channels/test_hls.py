"""Playlists and segments, by the rules of RFC 8216."""

import re

from hypothesis import given
from hypothesis import strategies as st

from stream.channels.hls import (
    LISTED_SEGMENTS,
    SEGMENT_MS,
    CompleteSegments,
    playlist,
    segment,
    segment_count,
    segments_until,
)
from stream.channels.lines import Line, Lines
from tests.support.tiers import examples

BEGAN_AT = 1_795_000_000.25
HOUR_MS = 3_600_000


def line(start_ms: int, end_ms: int, text: str = "Hello.", number: int = 1) -> Line:
    return Line(text=text, start_ms=start_ms, end_ms=end_ms, is_settled=True, number=number)


def rows(count: int, *, is_ended: bool = False, query: str = "") -> list[str]:
    written = "".join(playlist(count, began_at=BEGAN_AT, is_ended=is_ended, query=query))
    assert written.endswith("\n")
    return written.splitlines()


def test_a_playlist_lists_complete_segments() -> None:
    assert rows(2) == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:6",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-18T11:06:40.250Z",
        "#EXTINF:6.000,",
        "segments/0.vtt",
        "#EXTINF:6.000,",
        "segments/1.vtt",
    ]


def test_a_playlist_before_the_first_segment_is_valid() -> None:
    written = "".join(playlist(0, began_at=None, is_ended=False))
    assert written.splitlines()[0] == "#EXTM3U"
    assert "segments/" not in written


def test_old_segments_leave_the_playlist_and_keep_their_numbers() -> None:
    before, after = rows(LISTED_SEGMENTS), rows(LISTED_SEGMENTS + 2)
    assert "#EXT-X-MEDIA-SEQUENCE:0" in before
    assert "#EXT-X-MEDIA-SEQUENCE:2" in after
    listed = [row for row in after if row.startswith("segments/")]
    assert (listed[0], listed[-1], len(listed)) == ("segments/2.vtt", f"segments/{LISTED_SEGMENTS + 1}.vtt", 600)
    assert "#EXT-X-PROGRAM-DATE-TIME:2026-11-18T11:06:52.250Z" in after


def test_the_playlist_of_a_channel_that_has_ended_ends() -> None:
    assert rows(1, is_ended=True)[-1] == "#EXT-X-ENDLIST"
    assert "#EXT-X-ENDLIST" not in rows(1)


def test_the_token_of_the_playlist_is_in_the_addresses_of_segments() -> None:
    assert rows(1, query="jwt=a.b.c")[-1] == "segments/0.vtt?jwt=a.b.c"


def test_no_segment_lasts_longer_than_the_target_duration() -> None:
    written = rows(5)
    durations = [float(found[1]) for row in written if (found := re.fullmatch(r"#EXTINF:([\d.]+),", row))]
    assert max(map(round, durations)) <= 6
    assert len(durations) == 5


def test_segments_are_complete_when_all_before_their_end_is_settled() -> None:
    assert [segment_count(ms) for ms in (-1, 0, 5999, 6000, 12_001)] == [0, 0, 0, 1, 2]
    assert [segments_until(ms) for ms in (0, 1, 6000, 6001)] == [0, 1, 1, 2]


def test_a_segment_waits_for_the_slowest_publisher_and_for_open_lines() -> None:
    assert CompleteSegments().advance(13_500, [12_600, 12_400], None) == 2
    assert CompleteSegments().advance(13_500, [12_600, 11_900], None) == 1
    assert CompleteSegments().advance(13_500, [13_400], 5000) == 0
    # A publisher may come back, or be at another gateway.
    assert [CompleteSegments().advance(now_ms, [], None) for now_ms in (16_999, 17_000)] == [1, 2]


def test_a_publisher_that_sends_nothing_delays_a_segment_by_a_minute() -> None:
    assert [CompleteSegments().advance(now_ms, [1000], None) for now_ms in (65_999, 66_000)] == [0, 1]


def test_complete_segments_stay_complete() -> None:
    segments = CompleteSegments()
    assert segments.advance(60_000, [60_000], None) == 9
    assert segments.advance(60_100, [10_000], 10_000) == 9
    assert segments.end(Lines(now_ms=lambda: 0)) == 9
    assert CompleteSegments().end(Lines([line(0, 11_500)], now_ms=lambda: 0)) == 3


def test_a_cue_that_crosses_a_segment_is_whole_in_both() -> None:
    crossing = line(5000, 7000, "Over the edge.")
    first, second, third = ("".join(segment([crossing], number)) for number in range(3))
    cue = "\n1\n00:00:05.000 --> 00:00:07.000\nOver the edge.\n"
    assert first == "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n" + cue
    assert second == "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:540000,LOCAL:00:00:06.000\n" + cue
    assert third == "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:1080000,LOCAL:00:00:12.000\n"


def test_a_cue_is_in_each_segment_in_which_it_is_shown() -> None:
    # It is shown for a second, until 6.4 s.
    assert "Yes." in "".join(segment([line(5400, 5500, "Yes.")], 1))
    assert "Yes." not in "".join(segment([line(5400, 5500, "Yes.")], 2))
    assert "Yes." not in "".join(segment([line(6000, 6500, "Yes.")], 0))


def test_the_time_stamp_begins_anew_after_33_bits() -> None:
    number = (1 << 33) // 90 // SEGMENT_MS + 1
    start_ms = number * SEGMENT_MS
    written = "".join(segment([line(start_ms, start_ms + 1000)], number))
    stamp = int(re.search(r"MPEGTS:(\d+)", written)[1])  # type: ignore[index]
    assert stamp == start_ms * 90 - (1 << 33)
    assert 0 <= stamp < 6000 * 90
    assert "LOCAL:26:30:" in written


@examples(100)
@given(st.lists(st.tuples(st.integers(0, HOUR_MS // 60), st.integers(0, 30_000), st.text(max_size=300)), max_size=8))
def test_every_word_is_in_a_segment_and_cues_are_in_order(spans: list[tuple[int, int, str]]) -> None:
    lines = sorted(
        (line(start, start + length, text, number) for number, (start, length, text) in enumerate(spans, start=1)),
        key=lambda one: one.start_ms,
    )
    count = segments_until(max((one.end_ms + 1000 for one in lines), default=0))
    found = ["".join(segment(lines, number)) for number in range(count)]
    for one in found:
        times = [row.split(" --> ") for row in one.splitlines() if " --> " in row]
        starts = [start for start, _ in times]
        assert starts == sorted(starts)
        assert all(start < end for start, end in times)
    spoken = {word for one in lines for word in one.text.translate({38: " ", 60: " ", 62: " "}).split()}
    assert all(any(word in one for one in found) for word in spoken)
