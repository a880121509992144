"""Adaptive endpointing: how long a pause ends an utterance, by the text and the level of the sound before it."""

import math
from dataclasses import dataclass
from enum import Enum, auto
from operator import mul

from stream.session.events import Hypothesis
from stream.words import ends_sentence, word_key
from vad import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, frames_in

# Shares of the fixed hangover: of 600 ms they are 340 ms after a complete text, and 1.2 s after an unfinished one.
_COMPLETE_SHARE = 0.56
_UNFINISHED_SHARE = 2.0
# The recognizer begins after this share, 150 ms of 600 ms, so that its text is there when a short pause is over.
_FIRST_PASS_SHARE = 0.25
_LEAST_FIRST_PASS_MS = 100
_WHOLE_STABILITY = 1.0  # of a text of all speech so far

# English words that end no sentence: articles, possessives, conjunctions, and prepositions that are no adverbs.
_DANGLING = frozenset(
    (
        *("a", "an", "the", "my", "your", "our", "their", "its"),
        *("and", "or", "but", "nor", "although", "unless", "whereas", "than"),
        *("of", "into", "during", "between", "among", "toward", "towards", "upon", "very", "um", "uh", "er"),
    )
)
_DANGLING_LANGUAGE = "en"

# Confidences where the recognizer has none for the end of its text.
_USUAL_CONFIDENCE = 0.9
_OPEN_CONFIDENCE = 0.5
_DANGLING_CONFIDENCE = 0.05
# From the first on a pause is short or long, from the second on the turn is probably over before the end of it.
_SURE_CONFIDENCE = 0.7
_EAGER_CONFIDENCE = 0.5
# The doubt that the text leaves halves with each such span of silence.
_HALF_DOUBT_SAMPLES = 0.3 * SAMPLE_RATE

# Voices fall at the end of a sentence: their last 300 ms mostly have at most 0.3 of the level of loud speech there, and
# 0.45 or more before a pause inside one (bench/engine/endpointing.py).
_FALL_FRAMES = 30
_LEAST_FRAMES = 90  # of an utterance with its pre-roll: a single word has no level before its last 300 ms
_LOUD_PERCENT = 80
_FALLEN, _NOT_FALLEN = 0.3, 0.8
_LEVEL_STEP = 4  # each fourth sample tells the level of a frame


class Ending(Enum):
    """How a text ends: with its sentence, before the end of it, or in a way that leaves that open."""

    COMPLETE = auto()
    UNFINISHED = auto()
    OPEN = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How long a pause has to be to end the utterance, and the confidence of the text that the turn is over."""

    hangover_frames: int
    text_confidence: float

    @property
    def is_eager(self) -> bool:
        """Whether the turn is probably over before the pause is long enough."""
        return self.text_confidence >= _EAGER_CONFIDENCE


class SpeechLevels:
    """The level of each frame of an utterance, which tells whether the voice fell before a pause."""

    def __init__(self) -> None:
        self._levels: list[float] = []

    def add(self, pcm: bytes) -> None:
        """Take the next frames, `int16[n_samples]`; a last one shorter than 10 ms is left out."""
        for start in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES):
            samples = memoryview(pcm[start : start + FRAME_BYTES]).cast("h")[::_LEVEL_STEP]
            self._levels.append(math.sqrt(sum(map(mul, samples, samples)) / len(samples)))

    def fall(self, speech_samples: int) -> float:
        """Return from 0, no fall, to 1 how far the voice fell at the end of the first `speech_samples`.

        It is 1 for less than 0.9 s, which is too short to tell.
        """
        levels = self._levels[: speech_samples // FRAME_SAMPLES]
        if len(levels) < _LEAST_FRAMES:
            return 1.0
        loud = sorted(levels)[len(levels) * _LOUD_PERCENT // 100]
        if not loud:
            return 0.0
        last = levels[-_FALL_FRAMES:]
        left = sum(last) / len(last) / loud
        return min(1.0, max(0.0, (_NOT_FALLEN - left) / (_NOT_FALLEN - _FALLEN)))


def first_pass_ms(hangover_ms: int) -> int:
    """Return after which pause the recognizer is to send the text so far, for a fixed hangover."""
    return max(_LEAST_FIRST_PASS_MS, round(_FIRST_PASS_SHARE * hangover_ms))


def is_whole(hypothesis: Hypothesis) -> bool:
    """Whether this is an early text: that of all speech so far, from a pause."""
    return hypothesis.stability >= _WHOLE_STABILITY and bool(hypothesis.best.words)


def judge(hypothesis: Hypothesis, fall: float, hangover_ms: int, language_code: str) -> Verdict:
    """Judge a pause by the text before it and the `fall` of the voice, from 0 to 1.

    The confidence of the hypothesis is that of how its text ends, 0.0 for unknown.
    """
    best = hypothesis.best
    ending, confidence = _ending(best.transcript, has_confidence=best.confidence > 0), best.confidence
    if _is_dangling(best.words[-1].text, language_code):
        return Verdict(frames_in(round(_UNFINISHED_SHARE * hangover_ms)), _DANGLING_CONFIDENCE)
    match ending:
        case Ending.COMPLETE:
            confidence = fall * (confidence or _USUAL_CONFIDENCE)
            share = _COMPLETE_SHARE if confidence >= _SURE_CONFIDENCE else 1.0
        case Ending.UNFINISHED:
            confidence = confidence or _USUAL_CONFIDENCE
            share = _UNFINISHED_SHARE if confidence >= _SURE_CONFIDENCE else 1.0
            confidence = 1 - confidence
        case Ending.OPEN:
            confidence, share = _OPEN_CONFIDENCE, 1.0
    return Verdict(frames_in(round(share * hangover_ms)), confidence)


def turn_confidence(verdict: Verdict | None, silent_samples: int) -> float:
    """Return from 0 to 1 how sure it is that the turn is over, after so much silence; None without an early text."""
    doubt = 1 - (verdict.text_confidence if verdict else _OPEN_CONFIDENCE)
    return float(1 - doubt * 0.5 ** (silent_samples / _HALF_DOUBT_SAMPLES))


def _ending(transcript: str, *, has_confidence: bool) -> Ending:
    """Only from a recognizer that weighs the ends of its texts, a text without a mark at its end is unfinished."""
    if ends_sentence(transcript):
        return Ending.COMPLETE
    return Ending.OPEN if transcript[-1:].isalnum() and not has_confidence else Ending.UNFINISHED


def _is_dangling(word: str, language_code: str) -> bool:
    return language_code.partition("-")[0].lower() == _DANGLING_LANGUAGE and word_key(word) in _DANGLING
