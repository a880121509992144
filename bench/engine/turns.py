"""The turns of a talker: clips cut into utterances as by the gateway, before the load begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.common.clips import Clip, load_clips
from stream.configuration.config import SessionConfig
from vad import (
    SAMPLE_BYTES,
    SAMPLE_RATE,
    SegmentAudio,
    SegmentEnded,
    Segmenter,
    SegmentStarted,
    WebRtcClassifier,
    segment,
)

HANGOVER_SECONDS = SessionConfig().hangover_ms / 1000
CHUNK_SECONDS = 0.1
_CHUNK_BYTES = SAMPLE_RATE // 10 * SAMPLE_BYTES
# Longer than the hangover, so that every clip ends its own utterance.
_PAUSE = bytes(SAMPLE_RATE * 12 // 10 * SAMPLE_BYTES)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Sound that goes up at once, `at` seconds after the first sample of the clip."""

    at: float
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stream of the gateway: it opens with the first chunk and is half-closed after the last.

    Speech begins and ends at these seconds after the first sample of the clip.
    """

    chunks: tuple[Chunk, ...]
    speech_begin: float
    speech_end: float


@dataclass(frozen=True, slots=True)
class Turn:
    """A clip and the pause after it, `seconds` long."""

    clip: Clip
    utterances: tuple[Utterance, ...]
    seconds: float


def load_turns(directory: Path) -> list[Turn]:
    """Cut all clips of a directory."""
    return [cut(clip) for clip in load_clips(directory)]


def cut(clip: Clip) -> Turn:
    """Cut a clip as the gateway does with a client that sends 100 ms at a time, each when its last sample is there."""
    config = SessionConfig()
    segmenter, classifier = Segmenter(config.segmenter_options), WebRtcClassifier(config.vad_aggressiveness)
    sound = clip.pcm + _PAUSE
    sound += bytes(-len(sound) % _CHUNK_BYTES)
    found: list[Utterance] = []
    open_chunks: list[Chunk] = []
    speech_begin = 0.0
    for start in range(0, len(sound), _CHUNK_BYTES):
        at = (start // _CHUNK_BYTES + 1) * CHUNK_SECONDS
        pcm = b""
        for event in segment(segmenter, classifier, sound[start : start + _CHUNK_BYTES]):
            match event:
                case SegmentStarted(onset=onset):
                    speech_begin = onset / SAMPLE_RATE
                case SegmentAudio(pcm=part):
                    pcm += part
                case SegmentEnded(speech_end=end):
                    found.append(Utterance((*open_chunks, Chunk(at, pcm)), speech_begin, end / SAMPLE_RATE))
                    open_chunks, pcm = [], b""
        if pcm:
            open_chunks.append(Chunk(at, pcm))
    return Turn(clip, tuple(found), len(sound) / SAMPLE_BYTES / SAMPLE_RATE)


def speech_share(turns: Sequence[Turn]) -> float:
    """Which part of the time somebody speaks who says all turns."""
    spoken = sum(some.speech_end - some.speech_begin for turn in turns for some in turn.utterances)
    return spoken / sum(turn.seconds for turn in turns)
