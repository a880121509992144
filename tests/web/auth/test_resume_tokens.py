"""Tokens to resume a transcription: bound to caller, transcription and time."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ClientError, Problem
from tests.support.loops.clock import MovableClock
from tests.support.tiers import examples
from web.auth.resume_tokens import ResumeTokens

ID = str(uuid.UUID(int=7))


def tokens(clock: MovableClock, key: bytes = b"k" * 32) -> ResumeTokens:
    return ResumeTokens(key=key, seconds=60, clock=clock)


def test_a_token_names_its_transcription_until_it_expires() -> None:
    clock = MovableClock()
    token = tokens(clock).issued(ID, "ann")
    clock.now += 59
    assert tokens(clock).transcription_id(token, "ann") == ID
    clock.now += 2
    with pytest.raises(ClientError, match="the resume token has expired; connect without it") as expired:
        tokens(clock).transcription_id(token, "ann")
    assert expired.value.problem is Problem.UNAUTHENTICATED


def test_a_token_is_for_its_caller_and_its_database() -> None:
    clock = MovableClock()
    token = tokens(clock).issued(ID, "ann")
    for reader, owner in ((tokens(clock), "bob"), (tokens(clock, b"other" * 8), "ann")):
        with pytest.raises(ClientError, match="not valid here"):
            reader.transcription_id(token, owner)


@given(st.text(max_size=80), st.integers(0, 55), st.characters())
@examples(100)
def test_what_is_no_token_is_refused(noise: str, place: int, other: str) -> None:
    clock = MovableClock()
    token = tokens(clock).issued(ID, "ann")
    for bad in (noise, token[:place] + other + token[place + 1 :], token[:place]):
        if bad != token:
            with pytest.raises(ClientError, match="not valid here"):
                tokens(clock).transcription_id(bad, "ann")
