import json
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ClientError, Problem
from stream.protocols.wyoming.framing import (
    MOST_DATA_BYTES,
    MOST_HEADER_BYTES,
    Event,
    EventSplitter,
    decode,
    encode,
)
from tests.support.sounds import cut
from tests.support.tiers import examples

MOST_PAYLOAD_BYTES = 4096


def written(event: Event, *, is_inline: bool = False) -> bytes:
    """Write an event as Wyoming's reference does, with its data behind the header or in it."""
    data = b"" if is_inline else json.dumps(event.data).encode()
    header: dict[str, object] = {"type": event.type, "version": "1.0"}
    header |= {"data": event.data} if is_inline else {"data_length": len(data)}
    header |= {"payload_length": len(event.payload)} if event.payload else {}
    return json.dumps(header).encode() + b"\n" + data + event.payload


def split(pieces: list[bytes]) -> list[bytes]:
    splitter = EventSplitter(MOST_PAYLOAD_BYTES)
    events = []
    for piece in pieces:
        splitter.push(piece)
        while (event := splitter.take()) is not None:
            events.append(event)
    return events


EVENTS = st.builds(
    Event,
    st.text(max_size=10),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
    st.binary(max_size=300),
)


@given(st.lists(st.tuples(EVENTS, st.booleans()), max_size=5), st.lists(st.integers(1, 400), min_size=1, max_size=9))
@examples(100)
def test_events_do_not_depend_on_cuts(events: list[tuple[Event, bool]], sizes: list[int]) -> None:
    sent = b"".join(written(event, is_inline=is_inline) for event, is_inline in events)
    assert [decode(event) for event in split(cut(sent, *sizes))] == [event for event, _ in events]


def test_data_is_merged_over_that_of_the_header() -> None:
    data = b'{"rate": 8000}'
    header = b'{"type": "audio-start", "data": {"rate": 1, "width": 2}, "data_length": %d}\n' % len(data)
    assert decode(header + data) == Event("audio-start", {"rate": 8000, "width": 2})


def test_an_encoded_event_is_read_again() -> None:
    for event in (Event("transcript", {"text": "Grüße\n"}), Event("transcript-stop")):
        assert [decode(one) for one in split([encode(event)])] == [event]


@pytest.mark.parametrize(
    ("sent", "problem", "detail"),
    [
        (
            b"POST / HTTP/1.1\r\n",
            Problem.INVALID_MESSAGE,
            '"POST / HTTP/1.1" is not the header of an event, as in {"type": "describe"}',
        ),
        (b'{"type": 1}\n', Problem.INVALID_MESSAGE, "is not the header"),
        (b'{"type": "a", "data_length": -1}\n', Problem.INVALID_MESSAGE, "is not the header"),
        (b'{"type": "a", "payload_length": 1e99}\n', Problem.INVALID_MESSAGE, "is not the header"),
        (b'{"type": "a", "data": [1]}\n', Problem.INVALID_MESSAGE, "is not the header"),
        (b'{"a":' * 5000 + b"\n", Problem.INVALID_MESSAGE, "is not the header"),
        (b"{" * (MOST_HEADER_BYTES + 1), Problem.TOO_LARGE, "the header is 32769 bytes; it must be at most 32768"),
        (
            b'{"type": "a", "data_length": %d}\n' % (MOST_DATA_BYTES + 1),
            Problem.TOO_LARGE,
            "data_length is 262145 bytes; it must be at most 262144",
        ),
        (
            b'{"type": "a", "payload_length": 4097}\n',
            Problem.TOO_LARGE,
            "payload_length is 4097 bytes; it must be at most 4096",
        ),
    ],
)
def test_what_no_event_can_follow_is_refused(sent: bytes, problem: Problem, detail: str) -> None:
    with pytest.raises(ClientError) as refused:
        split([sent])
    assert refused.value.problem is problem
    assert detail in refused.value.detail


def test_a_page_that_sends_http_is_refused_at_its_first_byte() -> None:
    with pytest.raises(ClientError):
        split([b"G"])


@pytest.mark.parametrize("data", [b"[1]", b"\xff", b'{"a":' * 2000, b"{"])
def test_data_that_is_no_object_is_refused(data: bytes) -> None:
    (event,) = split([b'{"type": "a", "data_length": %d}\n' % len(data) + data])
    with pytest.raises(ClientError, match="is no JSON object, as data has to be"):
        decode(event)


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b'{"type":"a"}\n', b'{"type":"', b'"payload_length":9}\n'])))
@examples(200)
def test_any_bytes_are_events_or_refused(pieces: list[bytes]) -> None:
    try:
        events = split(pieces)
    except ClientError as error:
        assert error.problem in (Problem.INVALID_MESSAGE, Problem.TOO_LARGE)
        assert error.detail.isprintable()
        return
    assert b"".join(pieces).startswith(b"".join(events))


def test_a_long_header_is_searched_once() -> None:
    class Searched(bytearray):
        """Counts the bytes that a search goes over."""

        searched_bytes = 0

        def find(self, *arguments: object) -> int:
            found = super().find(*arguments)  # type: ignore[arg-type]
            Searched.searched_bytes += len(self) - int(str(arguments[1]))
            return found

    splitter = EventSplitter(MOST_PAYLOAD_BYTES)
    splitter._received = Searched()
    text = b'{"type": "a", "data": {"b": "%b"}}\n' % (b"c" * 20_000)
    for start, end in pairwise([*accumulate([0] + [100] * (len(text) // 100)), len(text)]):
        splitter.push(text[start:end])
        event = splitter.take()
    assert event == text
    assert Searched.searched_bytes < 2 * len(text)
