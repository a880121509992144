"""Bodies of requests: what they are does not depend on how they arrive."""

import asyncio
import json
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from stream.errors import ClientError
from stream.runtime.fairness import FairShare
from tests.support.tiers import examples
from web.rest.request.body import Body, read_object

MOST_BYTES = 200
STARTS = st.sampled_from([b"", b"\xef\xbb\xbf", b" ", b"\r\n\t", b"{", b"\xef\xbb", b"\0", b" " * 150])
OBJECTS = st.dictionaries(st.text(max_size=4), st.integers(), max_size=3).map(lambda value: json.dumps(value).encode())
BODIES = st.builds(lambda *parts: b"".join(parts), STARTS, st.one_of(OBJECTS, st.binary(max_size=120)), STARTS)


def request(pieces: Iterable[bytes], media_type: str) -> Request:
    """A request whose body arrives in these pieces, without a declared length."""
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    arriving = iter(messages)

    async def receive() -> Message:
        return next(arriving)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", media_type.encode())]
    return Request({"type": "http", "method": "POST", "scheme": "http", "headers": headers}, receive)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut a body at these places, which may be the same."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def outcome(pieces: Iterable[bytes], media_type: str) -> object:
    """The object that is read, or the sentence of the refusal."""
    try:
        return asyncio.run(read_object(request(pieces, media_type), FairShare(), MOST_BYTES))
    except ClientError as error:
        return error.problem, error.detail


@examples(60)
@given(BODIES, st.lists(st.integers(0, 300), max_size=5), st.sampled_from(["text/plain", "application/json", ""]))
def test_a_body_is_read_alike_however_it_is_cut(body: bytes, places: list[int], media_type: str) -> None:
    whole = outcome([body], media_type)
    assert outcome(cut(body, places), media_type) == whole
    # What is read as JSON of another type is what is read as JSON.
    if isinstance(whole, dict):
        assert outcome([body], "application/json") == whole


@examples(40)
@given(BODIES, st.lists(st.integers(0, 300), max_size=5))
def test_a_look_at_a_body_takes_nothing_from_it(body: bytes, places: list[int]) -> None:
    async def looked_at() -> bytes:
        looked = Body(request(cut(body, places), "text/plain"))
        await looked.is_json(1000)
        return b"".join([piece async for piece in looked.pieces(1000)])

    assert asyncio.run(looked_at()) == body
