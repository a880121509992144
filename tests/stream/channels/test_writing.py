import json

from hypothesis import given
from hypothesis import strategies as st

from stream.channels.lines import Line
from stream.channels.writing import ChannelBody, channel_event, end_event, line_event, plain, vtt
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
