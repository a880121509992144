"""The options of one call, from Riva's RecognitionConfig."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riva.client.proto import riva_asr_pb2

from stream.engine.audio_options import AudioOptions, audio_options
from stream.engine.endpointing import first_pass_samples, segmenter_options
from stream.recognition.places import WorkClass
from stream.vocabulary.templates import TemplateError, closed_phrases
from stream.vocabulary.vocabularies import LONGEST_PHRASE, MOST_PHRASES
from vad import FRAME_SAMPLES, SegmenterOptions

MOST_ALTERNATIVES = 5
_CLOSED_VOCABULARY = "closed_vocabulary"
_STABLE_WORDS = "stable_words"
_BOOLEANS = {"true": True, "false": False, "": False}


class RequestError(Exception):
    """The request asks for something that is not served; the message is sent to the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The options of one call; `segmenter` cuts its audio into utterances.

    `model` is the name of one of our models or of any other. `phrases` are expected with the strength `boost`; with
    `closed_vocabulary` nothing else is recognized. `punctuation` asks for punctuation and capitals, `profanity_filter`
    for masked swear words, `is_verbatim` for numbers in words, `separates_stable_words` for a partial's stable words in
    a result of their own, `first_pass_samples` for the text of an utterance after so much silence, before its end.
    """

    language_code: str
    audio: AudioOptions
    alternatives: int
    word_times: bool
    segmenter: SegmenterOptions
    model: str = ""
    phrases: tuple[str, ...] = ()
    boost: float = 0.0
    closed_vocabulary: bool = False
    profanity_filter: bool = False
    punctuation: bool = False
    is_verbatim: bool = False
    separates_stable_words: bool = False
    first_pass_samples: int | None = None

    @property
    def decoded_alternatives(self) -> int:
        """How many hypotheses to decode: without punctuation all, because several then have the same words."""
        return MOST_ALTERNATIVES if self.alternatives > 1 and not self.punctuation else self.alternatives

    @property
    def hangover_samples(self) -> int | None:
        """After how much silence an utterance ends; None if the client finds the endpoints."""
        frames = self.segmenter.hangover_frames
        return frames * FRAME_SAMPLES if frames <= self.segmenter.longest_frames else None

    @property
    def work_class(self) -> WorkClass:
        """The class of work that decides how much the call costs."""
        return WorkClass.of(self.phrases, closed_vocabulary=self.closed_vocabulary)


def read_config(config: riva_asr_pb2.RecognitionConfig) -> CallOptions:
    """Check a RecognitionConfig; raises RequestError. Unknown keys of custom_configuration are ignored."""
    try:
        audio = audio_options(config)
    except ValueError as error:
        raise RequestError(str(error)) from None
    try:
        segmenter = segmenter_options(config.endpointing_config)
    except ValueError as error:
        raise RequestError(f"endpointing_config: {error}") from None
    phrases = _phrases(config.speech_contexts)
    is_closed = _is_true(config.custom_configuration, _CLOSED_VOCABULARY)
    if is_closed:
        _check_templates(phrases)
    return CallOptions(
        language_code=config.language_code,
        audio=audio,
        alternatives=_alternatives(config.max_alternatives),
        word_times=config.enable_word_time_offsets,
        segmenter=segmenter,
        model=config.model,
        phrases=phrases,
        boost=_boost(config.speech_contexts),
        closed_vocabulary=is_closed,
        profanity_filter=config.profanity_filter,
        punctuation=config.enable_automatic_punctuation,
        is_verbatim=config.verbatim_transcripts,
        separates_stable_words=_is_true(config.custom_configuration, _STABLE_WORDS),
        first_pass_samples=first_pass_samples(config.endpointing_config),
    )


def _alternatives(requested: int) -> int:
    """How many hypotheses a final has at most: as many as requested, within what the beam search finds."""
    if requested < 0:
        raise RequestError(f"max_alternatives is {requested}; it must be 0 or more, and {MOST_ALTERNATIVES} are sent")
    return min(max(1, requested), MOST_ALTERNATIVES)


def _phrases(contexts: Sequence[riva_asr_pb2.SpeechContext]) -> tuple[str, ...]:
    """The phrases of all contexts, each once, stripped."""
    stripped = (phrase.strip() for context in contexts for phrase in context.phrases)
    phrases = tuple(dict.fromkeys(phrase for phrase in stripped if phrase))
    if len(phrases) > MOST_PHRASES:
        raise RequestError(f"speech_contexts has {len(phrases)} phrases; at most {MOST_PHRASES} are taken")
    if longest := next((phrase for phrase in phrases if len(phrase) > LONGEST_PHRASE), None):
        raise RequestError(
            f"a phrase of speech_contexts has {len(longest)} characters, {longest[:20]!r}...; "
            f"at most {LONGEST_PHRASE} are taken"
        )
    return phrases


def _check_templates(phrases: Sequence[str]) -> None:
    try:
        closed_phrases(phrases)
    except TemplateError as error:
        raise RequestError(f"speech_contexts: {error}") from None


def _boost(contexts: Sequence[riva_asr_pb2.SpeechContext]) -> float:
    """The largest boost of the contexts."""
    boosts = [context.boost for context in contexts]
    if unusable := next((boost for boost in boosts if not math.isfinite(boost)), None):
        raise RequestError(f"the boost of a speech_context is {unusable}; it must be a finite number")
    return max(boosts, default=0.0)


def _is_true(custom_configuration: Mapping[str, str], key: str) -> bool:
    text = custom_configuration.get(key, "")
    if text.lower() not in _BOOLEANS:
        raise RequestError(f"custom_configuration: {key} is {text!r}; it must be true or false")
    return _BOOLEANS[text.lower()]
