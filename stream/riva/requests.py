"""Build the first request of a Riva stream; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_audio_pb2

from stream.session.events import RecognitionOptions
from stream.vocabulary.templates import closed_phrases
from vad import SAMPLE_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """What the operator wants every request to a Riva server to contain.

    - `models`: the server's model for an `asrModel`; without one the server chooses.
    - `custom_configuration`: sent as it is.
    - `stop_history_ms`: the pause after which a server ends an utterance that our segmenter found, 0 for its default.
      It is longer than any pause, so that only our segmenter ends utterances.
    - `most_speakers`: for diarization, 0 for none.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    custom_configuration: Mapping[str, str] = field(default_factory=dict)
    stop_history_ms: int = 30_000
    most_speakers: int = 0


def opening_request(
    session: RecognitionOptions,
    options: RequestOptions,
    *,
    knows_closed_vocabularies: bool = False,
    promises_stable_words: bool = False,
) -> pb.StreamingRecognizeRequest:
    """Build the first message of a stream; the keywords are what the server promises."""
    endpoint_ms = session.finds_endpoints_ms or options.stop_history_ms
    config = pb.RecognitionConfig(
        encoding=riva_audio_pb2.LINEAR_PCM,
        sample_rate_hertz=SAMPLE_RATE,
        audio_channel_count=1,
        language_code=session.language_code,
        max_alternatives=session.max_alternatives,
        profanity_filter=session.profanity_filter,
        enable_word_time_offsets=True,
        enable_automatic_punctuation=session.punctuation,
        model=options.models.get(session.asr_model, ""),
        endpointing_config=_endpointing(endpoint_ms, session.first_pass_ms or 0),
        custom_configuration=options.custom_configuration,
    )
    if options.most_speakers:
        config.diarization_config.enable_speaker_diarization = True
        config.diarization_config.max_speaker_count = options.most_speakers
    phrases = session.phrases
    if session.closed_vocabulary and not knows_closed_vocabularies:
        # Such a server listens for the phrases, and knows no braces.
        phrases = closed_phrases(phrases).texts
    if phrases:
        config.speech_contexts.append(pb.SpeechContext(phrases=phrases, boost=session.boost))
    if session.closed_vocabulary and knows_closed_vocabularies:
        config.custom_configuration["closed_vocabulary"] = "true"
    if promises_stable_words:
        config.custom_configuration["stable_words"] = "true"
    return pb.StreamingRecognizeRequest(
        streaming_config=pb.StreamingRecognitionConfig(config=config, interim_results=session.interim_results)
    )


def _endpointing(endpoint_ms: int, first_pass_ms: int) -> pb.EndpointingConfig | None:
    """Return what differs from the server's own endpointing: 0 for nothing."""
    if not endpoint_ms and not first_pass_ms:
        return None
    return pb.EndpointingConfig(stop_history=endpoint_ms, stop_history_eou=first_pass_ms)
