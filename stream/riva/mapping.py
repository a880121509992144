"""Owns the translation between our terms and Riva's messages; pure."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import replace

from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_audio_pb2

from stream.events import Alternative, Hypothesis, RecognitionOptions, Word
from stream.stability import Agreement
from vad import SAMPLE_RATE

# Longer than any utterance, so that a server's own endpointing never cuts into ours.
_STOP_HISTORY_MS = 30_000
# Riva marks a first-pass hypothesis of the whole utterance with this stability; it is not to be concatenated.
_WHOLE_UTTERANCE_STABILITY = 1.0
# The embedded engine marks leading words that stay with 0.9, which single precision makes a little less.
_STABLE_STABILITY = 0.89
_SAMPLES_PER_MS = SAMPLE_RATE // 1000


def opening_request(
    options: RecognitionOptions, *, model: str = "", knows_closed_vocabularies: bool = False
) -> pb.StreamingRecognizeRequest:
    """Build the first message of a stream; `model` is the server's own name for one, "" for its choice."""
    endpoint_ms = options.finds_endpoints_ms or _STOP_HISTORY_MS
    config = pb.RecognitionConfig(
        encoding=riva_audio_pb2.LINEAR_PCM,
        sample_rate_hertz=SAMPLE_RATE,
        audio_channel_count=1,
        language_code=options.language_code,
        max_alternatives=options.max_alternatives,
        profanity_filter=options.profanity_filter,
        enable_word_time_offsets=True,
        enable_automatic_punctuation=options.punctuation,
        model=model,
        endpointing_config=pb.EndpointingConfig(stop_history=endpoint_ms),
    )
    if options.phrases:
        config.speech_contexts.append(pb.SpeechContext(phrases=options.phrases, boost=options.boost))
    if options.closed_vocabulary and knows_closed_vocabularies:
        config.custom_configuration["closed_vocabulary"] = "true"
    return pb.StreamingRecognizeRequest(
        streaming_config=pb.StreamingRecognitionConfig(config=config, interim_results=options.interim_results)
    )


def says(response: pb.RivaSpeechRecognitionConfigResponse, parameter: str) -> bool:
    """Whether a model of the server claims an ability such as `closed_vocabulary` or `stable_words`."""
    return any(row.parameters.get(parameter, "") == "true" for row in response.model_config)


def online_languages(response: pb.RivaSpeechRecognitionConfigResponse) -> tuple[str, ...]:
    """List the language tags that streaming models serve, each once, in the server's order."""
    languages: dict[str, None] = {}
    for row in response.model_config:
        if row.parameters.get("type", "online") == "online":
            tags = row.parameters.get("language_code", "").split(",")
            languages |= dict.fromkeys(tag.strip() for tag in tags if tag.strip())
    return tuple(languages)


class HypothesisAssembler:
    """Turns the responses of one stream into hypotheses.

    Where each stream is one utterance, what the server settles on its own is joined, and each hypothesis
    holds all of it. Where the server finds the endpoints, each of its finals settles a stretch. Stable words are
    the server's where it promises them, else those on which hypotheses agreed for a while.
    """

    def __init__(self, options: RecognitionOptions, *, promises_stable_words: bool = False) -> None:
        self._options = options
        self._settled: list[tuple[Alternative, ...]] = []
        self._processed = 0
        self._agreement = None if promises_stable_words else Agreement()

    def take(self, response: pb.StreamingRecognizeResponse) -> list[Hypothesis]:
        """Return the hypotheses after this response; none when it says nothing new."""
        if not response.results:
            return []
        self._processed = max(self._processed, *(int(r.audio_processed * SAMPLE_RATE) for r in response.results))
        finals = [_alternatives(result) for result in response.results if result.is_final]
        interim = [result for result in response.results if not result.is_final and result.alternatives]
        whole = [result for result in interim if result.stability == _WHOLE_UTTERANCE_STABILITY]
        if self._options.finds_endpoints_ms is None:
            self._settled += finals
            return [self._unsettled(whole[-1:] or interim)]
        stretches = [replace(self._final([final]), is_stretch=True) for final in finals]
        if stretches and self._agreement is not None:
            self._agreement = Agreement()
        return stretches + ([self._unsettled(whole[-1:] or interim)] if interim else [])

    def final(self) -> Hypothesis:
        """Return the settled hypothesis once the stream has ended."""
        return self._final(self._settled)

    def _final(self, stretches: list[tuple[Alternative, ...]]) -> Hypothesis:
        if len(stretches) == 1:
            alternatives = stretches[0]
        else:
            alternatives = (_joined(stretch[0] for stretch in stretches if stretch),) if stretches else ()
        spoken = tuple(alternative for alternative in alternatives if alternative.words)
        return Hypothesis(
            spoken[: self._options.max_alternatives], is_final=True, stability=1.0, processed=self._processed
        )

    def _unsettled(self, results: list[pb.StreamingRecognitionResult]) -> Hypothesis:
        settled = [word for stretch in self._settled if stretch for word in stretch[0].words]
        text = "".join(result.alternatives[0].transcript for result in results)
        promised = itertools.takewhile(lambda result: result.stability >= _STABLE_STABILITY, results)
        stable = sum(len(result.alternatives[0].transcript.split()) for result in promised)
        words = tuple(settled) + tuple(Word(token) for token in text.split())
        stability = min((result.stability for result in results), default=1.0)
        hypothesis = Hypothesis(
            (Alternative(words),) if words else (),
            stability=stability,
            stable_words=len(settled) + stable,
            processed=self._processed,
        )
        if self._agreement is None:
            return hypothesis
        return replace(hypothesis, stable_words=max(len(settled), self._agreement.stable_words(hypothesis)))


def _alternatives(result: pb.StreamingRecognitionResult) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(_words(alternative), _probability(alternative.confidence)) for alternative in result.alternatives
    )


def _words(alternative: pb.SpeechRecognitionAlternative) -> tuple[Word, ...]:
    """Take the times of the words and the spelling of the transcript, where both tell the same words."""
    tokens = alternative.transcript.split()
    if len(tokens) != len(alternative.words):
        return tuple(Word(token) for token in tokens)
    return tuple(
        Word(
            token,
            max(0, info.start_time) * _SAMPLES_PER_MS,
            max(0, info.end_time) * _SAMPLES_PER_MS,
            _probability(info.confidence),
        )
        for token, info in zip(tokens, alternative.words, strict=True)
    )


def _joined(stretches: Iterable[Alternative]) -> Alternative:
    """Put settled stretches in a row; the confidence is the mean over the words."""
    spoken = [stretch for stretch in stretches if stretch.words]
    words = tuple(word for stretch in spoken for word in stretch.words)
    weighed = sum(stretch.confidence * len(stretch.words) for stretch in spoken)
    return Alternative(words, weighed / len(words) if words else 0.0)


def _probability(confidence: float) -> float:
    """Some models report a logarithm instead of a probability."""
    return math.exp(confidence) if confidence < 0 else min(confidence, 1.0)
