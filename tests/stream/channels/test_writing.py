import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.channels.lines import Line
from stream.channels.writing import ChannelBody, channel_event, cues, cues_of, end_event, line_event, plain, vtt
from stream.words import CUE_CHARACTERS
from tests.support.tiers import examples


def line(text: str = "Hello.", speaker: str = "", **changed: object) -> Line:
    usual: dict[str, object] = {"number": 3, "change_id": 12, "start_ms": 3_600_250, "end_ms": 3_602_000}
    return Line(text=text, speaker=speaker, **({"is_settled": True} | usual | changed))  # type: ignore[arg-type]


def parsed(event: bytes) -> tuple[dict[str, str], dict[str, object]]:
    fields = dict(row.split(": ", 1) for row in event.decode().strip().split("\n"))
    return fields, json.loads(fields.pop("data"))


def test_settled_text_is_a_final_event() -> None:
    fields, body = parsed(line_event(line(speaker="Ann"), is_new=False))
    assert fields == {"id": "12", "event": "final"}
    assert body == {
        "line": 3,
        "startMs": 3_600_250,
        "endMs": 3_602_000,
        "text": "Hello.",
        "speaker": "Ann",
        "hidden": False,
    }


def test_events_are_named_by_what_became_of_a_line() -> None:
    def name(of: Line, *, is_new: bool = False) -> str:
        return parsed(line_event(of, is_new=is_new))[0]["event"]

    assert name(line(is_settled=False)) == "partial"
    assert name(line(recognized="Hallo.")) == "correction"
    assert name(line(recognized="Hallo."), is_new=True) == "final"
    assert name(line(is_hidden=True)) == "correction"


def test_the_text_of_a_hidden_line_is_not_sent() -> None:
    _, body = parsed(line_event(line(is_hidden=True), is_new=False))
    assert (body["text"], body["hidden"]) == ("", True)


def test_a_connection_begins_with_the_channel_and_the_time_to_come_again() -> None:
    event = channel_event(ChannelBody(name="main", title="Main stage", languages=("fa",), live=True))
    fields, body = parsed(event)
    assert fields == {"retry": "2000", "event": "channel"}
    assert body == {"name": "main", "title": "Main stage", "languages": ["fa"], "live": True}
    assert end_event() == b"event: end\ndata: {}\n\n"


def test_webvtt_has_speakers_as_voices_and_overlapping_times() -> None:
    lines = [line(number=1, speaker="Ann"), line("Yes & <no>", number=2, speaker="B > C", start_ms=3_601_900)]
    assert "".join(vtt(lines)) == (
        "WEBVTT\n"
        "\n1\n01:00:00.250 --> 01:00:02.000\n<v Ann>Hello.\n"
        "\n2\n01:00:01.900 --> 01:00:02.900\n<v B &gt; C>Yes &amp; &lt;no&gt;\n"
    )


def test_plain_text_names_a_speaker_once() -> None:
    lines = [line("One.", "Ann"), line("Two.", "Ann"), line("Three.", "Bob"), line("Four.")]
    assert "".join(plain(lines)) == "Ann: One.\nTwo.\nBob: Three.\nFour.\n"


@examples(100)
@given(st.text(), st.text())
def test_no_text_breaks_out_of_its_cue_or_its_event(text: str, speaker: str) -> None:
    one = line(text, speaker)
    assert line_event(one, is_new=True).count(b"\n") == 4
    body = "".join(vtt([one])).removeprefix("WEBVTT\n\n3\n").removesuffix("\n")
    assert body.count("\n") == 1
    assert "-->" not in body.partition("\n")[2]
    assert "".join(plain([one])).count("\n") == 1


def test_a_long_line_is_several_captions_one_after_the_other() -> None:
    text = " ".join(["word"] * 60)
    parts = list(cues_of(line(text, number=7, start_ms=0, end_ms=30_000)))
    assert [one.id for one in parts] == ["7", "7.2", "7.3", "7.4"]
    assert " ".join(one.text for one in parts) == text
    assert max(len(one.text) for one in parts) <= CUE_CHARACTERS
    assert [one.end_ms for one in parts[:-1]] == [one.start_ms for one in parts[1:]]
    assert (parts[0].start_ms, parts[-1].end_ms) == (0, 30_000)
    # Each is shown while its words are spoken.
    assert parts[1].start_ms == pytest.approx(7500, abs=500)


def test_captions_of_speakers_who_overlap_are_in_the_order_of_their_starts() -> None:
    long = line(" ".join(["word"] * 40), "Ann", number=1, start_ms=0, end_ms=20_000)
    short = line("Yes.", "Bob", number=2, start_ms=3000, end_ms=4000)
    found = list(cues([long, short]))
    assert [one.id for one in found] == ["1", "2", "1.2", "1.3"]
    assert [one.start_ms for one in found] == sorted(one.start_ms for one in found)


@examples(100)
@given(st.text(min_size=1, max_size=400), st.integers(-5, 40_000))
def test_captions_of_a_line_have_all_its_words_and_times(text: str, length_ms: int) -> None:
    found = list(cues_of(line(text, start_ms=1000, end_ms=1000 + length_ms)))
    assert " ".join(one.text for one in found).split() == text.split()
    assert all(one.start_ms < one.end_ms for one in found)
    assert found[-1].end_ms == max(1000 + length_ms, found[-1].start_ms + 1000)


def test_a_line_keeps_its_direction_after_the_name_of_a_speaker_of_another_script() -> None:
    persian = line("سلام، Windows.", number=1, speaker="Ann")
    assert "".join(plain([persian])) == "\u200fAnn: سلام، Windows.\n"
    assert "".join(plain([line("Hello.", speaker="علی")])) == "\u200eعلی: Hello.\n"
    assert "\u200f" not in "".join(vtt([persian]))
    assert "\n\u200fWindows را ببند.\n" in "".join(vtt([line("Windows را ببند.")]))
