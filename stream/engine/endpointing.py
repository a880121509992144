"""Map Riva's EndpointingConfig to the segmenter: where an utterance begins, ends, and may have ended."""

import math

from riva.client.proto import riva_asr_pb2

from stream.engine.model.whisper import LONGEST_SAMPLES
from vad import FRAME_SAMPLES, SAMPLE_RATE, SegmenterOptions, frames_in

_DEFAULT_STOP_HISTORY_MS = 800  # the default of Riva's own pipelines
# From this pause on the client finds the endpoints itself, as the gateway does: no utterance is that long.
_OWN_ENDPOINTS_MS = 20_000
_LONGEST_START_MS = 5_000
_WINDOWS = ("start_history", "stop_history", "stop_history_eou")
_THRESHOLDS = ("start_threshold", "stop_threshold", "stop_threshold_eou")
_LONGEST_FRAMES = LONGEST_SAMPLES // FRAME_SAMPLES
_PLAIN = SegmenterOptions(hangover_frames=frames_in(_DEFAULT_STOP_HISTORY_MS), longest_frames=_LONGEST_FRAMES)


def segmenter_options(config: riva_asr_pb2.EndpointingConfig) -> SegmenterOptions:
    """Map Riva's windows and thresholds; 0 is our own default. Raises ValueError with a sentence for the client.

    An utterance begins when the part `start_threshold` of the last `start_history` milliseconds is speech. It ends
    after `stop_history` milliseconds without speech. The thresholds for its end are checked and ignored: they are
    shares of the frames for which Riva's acoustic models emit no token, as they do for most frames of speech, too.
    Clients send 0.3 to 0.98, and expect a pause of the whole window in either case.
    """
    _check(config)
    if config.stop_history >= _OWN_ENDPOINTS_MS:
        return SegmenterOptions(
            onset_frames=0,
            onset_window_frames=0,
            preroll_frames=0,
            hangover_frames=_LONGEST_FRAMES + 1,
            longest_frames=_LONGEST_FRAMES,
        )
    window = frames_in(config.start_history) if config.start_history else _PLAIN.onset_window_frames
    share = config.start_threshold or _PLAIN.onset_frames / _PLAIN.onset_window_frames
    return SegmenterOptions(
        onset_frames=max(1, _ceil(share * window)),
        onset_window_frames=max(1, window),
        hangover_frames=frames_in(config.stop_history or _DEFAULT_STOP_HISTORY_MS),
        longest_frames=_LONGEST_FRAMES,
    )


def first_pass_samples(config: riva_asr_pb2.EndpointingConfig) -> int | None:
    """Return after how much silence an utterance has a first pass (`stop_history_eou`); None for no first pass.

    Riva's first pass is a partial with stability 1.0: the text of an utterance that has probably ended.
    """
    return config.stop_history_eou * SAMPLE_RATE // 1000 or None


def _check(config: riva_asr_pb2.EndpointingConfig) -> None:
    for name in _WINDOWS:
        if getattr(config, name) < 0:
            raise ValueError(f"{name} is {getattr(config, name)}; it must be 0 milliseconds or more")
    if config.start_history > _LONGEST_START_MS:
        raise ValueError(
            f"start_history is {config.start_history}; it must be at most {_LONGEST_START_MS} milliseconds"
        )
    for name in _THRESHOLDS:
        if not 0 <= getattr(config, name) <= 1:
            raise ValueError(f"{name} is {getattr(config, name):g}; it must be from 0 to 1")


def _ceil(frames: float) -> int:
    """Round up, except for the rounding error of a single-precision share such as 0.98."""
    return math.ceil(frames - 1e-3)
