"""Hypotheses as Deepgram's alternatives: words with times, with and without punctuation."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from stream.protocols.deepgram.messages import Alternative, DeepgramWord
from stream.protocols.units import seconds
from stream.session import events
from stream.session.utterance import spread
from stream.words import bare_word

_NO_TEXT = Alternative("", 0.0, [])


def timestamp(epoch_seconds: float) -> str:
    """Return a point in time as RFC 3339 has it, in UTC."""
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alternatives(
    hypotheses: Sequence[events.Alternative], *, is_formatted: bool, has_speakers: bool = False
) -> list[Alternative]:
    """Return all hypotheses; one without words where there is none, because clients read the first one."""
    made = [alternative(one, is_formatted=is_formatted, has_speakers=has_speakers) for one in hypotheses]
    return made or [_NO_TEXT]


def alternative(hypothesis: events.Alternative, *, is_formatted: bool, has_speakers: bool = False) -> Alternative:
    """Return one hypothesis; only what `is_formatted` has punctuation and capitals."""
    words = [_word(word, is_formatted=is_formatted, has_speakers=has_speakers) for word in hypothesis.words]
    transcript = hypothesis.transcript if is_formatted else " ".join(word.word for word in words)
    return Alternative(transcript, confidence(hypothesis.confidence), words)


def placed(hypotheses: Sequence[events.Alternative], start: int, end: int) -> list[events.Alternative]:
    """Return unsettled hypotheses with times: their words share the samples from `start` to `end`."""
    return [replace(one, words=spread(one.words, start, max(0, end - start))) for one in hypotheses]


def confidence(value: float) -> float:
    """Round a confidence; what is known never becomes 0.0."""
    return max(round(value, 4), 0.0001) if value > 0 else 0.0


def _word(word: events.Word, *, is_formatted: bool, has_speakers: bool) -> DeepgramWord:
    return DeepgramWord(
        bare_word(word.text),
        seconds(word.start),
        seconds(word.end),
        confidence(word.confidence),
        word.text if is_formatted else msgspec.UNSET,
        word.speaker - 1 if has_speakers and word.speaker else msgspec.UNSET,
    )
