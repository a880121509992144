import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.model.features import Samples
from stream.engine.model.sherpa.words import (
    TokenizedText,
    hypothesis_of,
    shared_starts,
    timed,
    token_groups,
    written_words,
)
from tests.support.tiers import examples
from vad import SAMPLE_RATE


def sound(*spans: tuple[float, bool]) -> Samples:
    """Return noise and silence in turns."""
    parts = [np.random.default_rng(1).normal(0, 0.1 * loud, round(seconds * SAMPLE_RATE)) for seconds, loud in spans]
    return np.concatenate(parts).astype(np.float32)


def test_words_have_the_tokens_of_their_letters() -> None:
    assert token_groups(["the", "quick", "fox."], [" the", " qu", "ick", " fo", "x", "."]) == [
        range(1),
        range(1, 3),
        range(3, 6),
    ]


def test_a_letter_in_bytes_belongs_to_one_word() -> None:
    tokens = [" <0xD8>", "<0xB3>", "لام", " <0xE2>", "<0x82>", "<0xAC>"]
    assert token_groups(["سلام", "€"], tokens) == [range(3), range(3, 6)]


def test_tokens_that_are_not_the_letters_are_shared_by_length() -> None:
    # As with a vocabulary of coded bytes.
    assert token_groups(["ab", "cdef"], ["ĂĂ", "Ă", "Ă", "ĂĂ", "ĂĂ", "Ă"]) == [range(2), range(2, 6)]


@examples(100)
@given(text=st.text(max_size=30), tokens=st.lists(st.text(max_size=5), max_size=12))
def test_groups_are_in_order_whatever_the_tokens(text: str, tokens: list[str]) -> None:
    words = written_words(text)
    groups = token_groups(words, tokens)
    assert len(groups) == len(words)
    assert [group.start for group in groups] == sorted(group.start for group in groups)
    assert all(len(group) > 0 for group in groups)


def test_confidences_are_the_probabilities_of_the_tokens() -> None:
    logprobs = [math.log(0.5), math.log(0.9), math.log(0.4)]
    hypothesis = hypothesis_of(TokenizedText(text="go home", tokens=[" go", " ho", "me"], logprobs=logprobs))
    assert [round(word.confidence, 3) for word in hypothesis.words] == [0.5, 0.6]
    assert 0 < hypothesis.confidence < 1


def test_without_probabilities_confidences_are_unknown() -> None:
    hypothesis = hypothesis_of(TokenizedText(text="go home", tokens=[" go", " home"]), -1.0)
    assert ([word.confidence for word in hypothesis.words], hypothesis.confidence) == ([0.0, 0.0], 0.0)
    assert hypothesis.logprob == -1.0


@pytest.mark.parametrize("mark", ["<EOU>", "<EOB>"])
def test_a_mark_of_the_end_is_no_word(mark: str) -> None:
    ended = TokenizedText(text=f"hello {mark}", tokens=[" hello", f" {mark}"])
    assert ended.has_end_mark
    assert hypothesis_of(ended).text == "hello"
    assert not TokenizedText(text=f"{mark} hello", tokens=[mark, " hello"]).has_end_mark


def test_words_begin_with_their_tokens_and_end_in_the_pauses() -> None:
    samples = sound((0.5, False), (0.5, True), (0.4, False), (0.6, True), (0.3, False))
    tokenized = TokenizedText(text="one two", tokens=[" one", " two"], seconds=[0.56, 1.48])
    words = timed(hypothesis_of(tokenized), tokenized, samples).words
    spans = [(word.start_samples / SAMPLE_RATE, word.end_samples / SAMPLE_RATE) for word in words]
    assert np.allclose(spans, [(0.5, 1.0), (1.4, 2.0)], atol=0.02)


def test_without_times_words_share_the_sound_by_their_letters() -> None:
    samples = sound((0.5, False), (1.2, True), (0.4, False), (0.6, True), (0.3, False))
    starts = shared_starts(["seventeen", "one"], samples)
    # Of 1.8 s of sound the first word has ten of fourteen letters, and so ends in the pause.
    assert np.allclose([start / SAMPLE_RATE for start in starts], [0.5, 2.18], atol=0.03)
    tokenized = TokenizedText(text="seventeen one", tokens=[" seventeen", " one"])
    words = timed(hypothesis_of(tokenized), tokenized, samples).words
    spans = [(word.start_samples / SAMPLE_RATE, word.end_samples / SAMPLE_RATE) for word in words]
    assert np.allclose(spans, [(0.5, 1.7), (2.1, 2.7)], atol=0.03)


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(16_000, np.float32)])
def test_words_of_silence_have_times_inside_it(samples: Samples) -> None:
    tokenized = TokenizedText(text="you are", tokens=[" you", " are"])
    words = timed(hypothesis_of(tokenized), tokenized, samples).words
    assert all(0 <= word.start_samples <= word.end_samples <= len(samples) for word in words)
