"""Hypotheses as results of a message, and the bound on how many words fit into one message."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import msgspec

from stream.protocols.farsava.messages import Done, DoneMessage, FullResult, WireResult, WireWord
from stream.protocols.units import seconds
from stream.session.events import Alternative, Word
from stream.words import WORDS_KEPT

# Clients commonly take at most 1 MiB a message; the rest is left to field names and escapes.
MOST_DONE_BYTES = 900_000
_encoder = msgspec.json.Encoder()
_Done = TypeVar("_Done", Done, DoneMessage)


def result(alternative: Alternative, *, with_speakers: bool = False) -> WireResult:
    """Return one hypothesis as a result; plain mode has no speakers."""
    words = [_wire_word(word, with_speakers=with_speakers) for word in alternative.words]
    return WireResult(alternative.transcript, _confidence(alternative.confidence), words)


def _wire_word(word: Word, *, with_speakers: bool) -> WireWord:
    if not (word.end or word.confidence or word.speaker):
        return _untimed_wire_word(word.text)
    speaker = word.speaker if with_speakers and word.speaker else msgspec.UNSET
    return WireWord(seconds(word.start), seconds(word.end), word.text, _confidence(word.confidence), speaker)


@lru_cache(WORDS_KEPT)
def _untimed_wire_word(text: str) -> WireWord:
    """Return a word of unsettled text, which has the same words over and over."""
    return WireWord(0.0, 0.0, text, 0.0)


def results(alternatives: tuple[Alternative, ...], *, with_speakers: bool = False) -> list[WireResult]:
    """Return all hypotheses; at least one result, because clients read the first one without looking."""
    return [result(alternative, with_speakers=with_speakers) for alternative in alternatives or (Alternative(),)]


def without_speakers(hypotheses: Sequence[WireResult]) -> list[WireResult]:
    """Return hypotheses without speakers, as plain mode has them."""
    return [
        msgspec.structs.replace(one, words=[msgspec.structs.replace(word, speaker=msgspec.UNSET) for word in one.words])
        for one in hypotheses
    ]


def plain_results(utterances: Sequence[list[WireResult]]) -> list[WireResult]:
    """Return the best hypothesis of each utterance, or all hypotheses of a single one; never an empty list."""
    match utterances:
        case []:
            return results(())
        case [only]:
            return only
        case several:
            return [hypotheses[0] for hypotheses in several]


def full_result(hypotheses: tuple[Alternative, ...]) -> FullResult:
    """Return a settled utterance: its best hypothesis, with all of them as alternatives."""
    alternatives = results(hypotheses, with_speakers=True)
    best = alternatives[0]
    return FullResult(best.transcript, best.confidence, best.words, alternatives)


def shortened(done: _Done) -> _Done:
    """Empty the word lists, oldest first, until the message fits; keep the text."""
    excess_bytes = len(_encoder.encode(done)) - MOST_DONE_BYTES
    kept = list(done.results)
    for position, utterance in enumerate(kept):
        if excess_bytes <= 0:
            break
        bare = msgspec.structs.replace(utterance, words=[])
        if isinstance(bare, FullResult):
            bare = msgspec.structs.replace(bare, alternatives=[_bare(one) for one in bare.alternatives])
        excess_bytes -= len(_encoder.encode(utterance)) - len(_encoder.encode(bare))
        kept[position] = bare
    return msgspec.structs.replace(done, results=kept)


def _confidence(confidence: float) -> float:
    """Round a confidence; what is known never becomes 0.0, which means unset."""
    return max(round(confidence, 3), 0.001) if confidence > 0 else 0.0


def _bare(alternative: WireResult) -> WireResult:
    return msgspec.structs.replace(alternative, words=[])
