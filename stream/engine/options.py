"""Owns what one call asks for: Riva's RecognitionConfig, checked."""

from dataclasses import dataclass

from riva.client.proto import riva_asr_pb2, riva_audio_pb2

from stream.engine.whisper import LONGEST_SAMPLES
from vad import FRAME_SAMPLES, SegmenterOptions, frames_in

MOST_ALTERNATIVES = 5
_DEFAULT_STOP_HISTORY_MS = 800  # what Riva's own pipelines wait
# Who sets so long an end of silence (the gateway does) finds the ends itself: no utterance is that long.
_OWN_ENDPOINTS_MS = 20_000
_LONGEST_FRAMES = LONGEST_SAMPLES // FRAME_SAMPLES


class RequestError(Exception):
    """The caller asked for something that is not served; the sentence says what, and is sent to it."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What one call is recognised with; `segmenter` cuts its sound into utterances."""

    language_code: str
    rate_hertz: int
    alternatives: int
    word_times: bool
    segmenter: SegmenterOptions


def read_config(config: riva_asr_pb2.RecognitionConfig) -> CallOptions:
    """Check a RecognitionConfig; the model's name and what only shapes text is ignored. Raises RequestError."""
    encodings = riva_audio_pb2.AudioEncoding
    if config.encoding not in (encodings.ENCODING_UNSPECIFIED, encodings.LINEAR_PCM):
        name = encodings.Name(config.encoding) if config.encoding in encodings.values() else config.encoding
        raise RequestError(f"encoding is {name}; only LINEAR_PCM is served")
    if config.audio_channel_count not in (0, 1):
        raise RequestError(f"audio_channel_count is {config.audio_channel_count}; only one channel is served")
    if config.sample_rate_hertz < 0:
        raise RequestError(f"sample_rate_hertz is {config.sample_rate_hertz}; 16000 is served")
    return CallOptions(
        language_code=config.language_code,
        rate_hertz=config.sample_rate_hertz,
        alternatives=min(max(1, config.max_alternatives), MOST_ALTERNATIVES),
        word_times=config.enable_word_time_offsets,
        segmenter=_segmenter_options(config.endpointing_config.stop_history),
    )


def _segmenter_options(stop_history_ms: int) -> SegmenterOptions:
    if stop_history_ms >= _OWN_ENDPOINTS_MS:
        return SegmenterOptions(
            onset=0, onset_window=0, preroll=0, hangover=_LONGEST_FRAMES + 1, longest=_LONGEST_FRAMES
        )
    milliseconds = stop_history_ms if stop_history_ms > 0 else _DEFAULT_STOP_HISTORY_MS
    return SegmenterOptions(hangover=frames_in(milliseconds), longest=_LONGEST_FRAMES)
