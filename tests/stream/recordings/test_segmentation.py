from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.recordings.segmentation import RecordingSegmenter, Segment
from stream.session.events import AudioReceived, Configured, OpenStream, RecognitionOptions, SendAudio
from stream.session.session import Session
from tests.support.sounds import clip_pcm, wav
from tests.support.tiers import examples
from vad import SAMPLE_BYTES, SAMPLE_RATE, Framer, split_frames

_PAUSE = bytes(2 * SAMPLE_RATE)


@cache
def spoken() -> bytes:
    """Three sentences with pauses between them, `int16[n_samples]`."""
    clips = ("yes.wav", "quick.wav", "train.wav")
    return b"".join(_PAUSE + clip_pcm(clip) for clip in clips) + _PAUSE


def configured(**values: object) -> SessionConfig:
    return SessionConfig().with_message(values, audio_began=False)


def segments_of(data: bytes, config: SessionConfig | None = None, most_seconds: float = 60) -> list[Segment]:
    segmenter = RecordingSegmenter(config or SessionConfig(), most_seconds)
    try:
        return [*segmenter.push(data), *segmenter.flush()]
    finally:
        segmenter.close()


def streams(pcm: bytes, config: SessionConfig) -> list[bytes]:
    """The samples that a live session sends to the recognizer, stream by stream."""
    session = Session(Configured(config, RecognitionOptions("en-US")))
    framers = [Framer() for _ in range(config.channels)]
    samples = np.frombuffer(pcm, "<i2").reshape(-1, config.channels)
    framed = [split_frames(framer.push(samples[:, n].tobytes())) for n, framer in enumerate(framers)]
    sent: dict[int, bytearray] = {}
    for frames in zip(*framed, strict=True):
        session.receive(AudioReceived(frames))
        for order in session.take_orders():
            match order:
                case OpenStream(stream_id):
                    sent[stream_id] = bytearray()
                case SendAudio(stream_id, more):
                    sent[stream_id] += more
    return [bytes(stream) for stream in sent.values()]


def test_a_recording_is_cut_into_what_a_live_session_would_send() -> None:
    config = configured(hangoverMs=300)
    assert [segment.pcm for segment in segments_of(wav(spoken()), config)] == streams(spoken(), config)
    assert len(segments_of(wav(spoken()), config)) == 3


def test_the_channels_of_a_recording_are_cut_each_by_itself_and_numbered_together() -> None:
    left = np.frombuffer(spoken() + _PAUSE, "<i2")
    right = np.frombuffer(_PAUSE + spoken(), "<i2")
    both = np.stack([left, right], axis=1).astype("<i2").tobytes()
    config = configured(channels=2, extended=True)
    segments = sorted(segments_of(wav(both, channels=2), config), key=lambda segment: segment.number)
    assert [segment.pcm for segment in segments] == streams(both, config)
    assert {segment.channel for segment in segments} == {0, 1}
    assert [segment.number for segment in segments] == list(range(1, 1 + len(segments)))


def test_a_segment_tells_where_it_lies() -> None:
    for segment in segments_of(wav(spoken())):
        assert segment.pcm == spoken()[segment.start_samples * SAMPLE_BYTES : segment.end_samples * SAMPLE_BYTES]


@examples(12)
@given(cuts=st.lists(st.integers(0, len(wav(spoken()))), max_size=30))
def test_segments_never_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    data = wav(spoken())
    segmenter = RecordingSegmenter(SessionConfig(), 60)

    def pieces() -> Iterator[bytes]:
        for start, end in pairwise([0, *sorted(cuts), len(data)]):
            yield data[start:end]

    segments = [segment for piece in pieces() for segment in segmenter.push(piece)] + list(segmenter.flush())
    assert segments == segments_of(data)


def test_speech_at_the_very_end_is_a_segment_up_to_the_last_sample() -> None:
    pcm = _PAUSE + clip_pcm("quick.wav")[:40_001]
    assert segments_of(wav(pcm))[-1].end_samples == len(pcm) // SAMPLE_BYTES


def test_a_recording_shorter_than_its_own_header_may_be_is_cut_too() -> None:
    assert segments_of(wav(b"")) == []
    assert segments_of(b"") == []


def test_no_more_is_taken_than_is_allowed() -> None:
    seconds = len(spoken()) / SAMPLE_BYTES / SAMPLE_RATE
    assert len(segments_of(wav(spoken()), most_seconds=seconds)) == 3
    with pytest.raises(ClientError, match=r"the audio is longer than 0\.05 minutes") as refused:
        segments_of(wav(spoken()), most_seconds=3)
    assert refused.value.problem is Problem.TOO_LARGE


def test_uncut_sound_is_refused() -> None:
    with pytest.raises(ClientError, match="vad is off; a recording is cut by webrtc or silero"):
        segments_of(b"", configured(vad="off"))


def test_letters_at_the_beginning_are_samples_and_no_base64() -> None:
    pcm = b"AAAA" * 8000
    segmenter = RecordingSegmenter(configured(audioEncoding="LINEAR16"), 60)
    list(segmenter.push(pcm))
    assert segmenter.position == len(pcm) // SAMPLE_BYTES


def test_the_encoding_of_a_recording_is_found_where_nobody_says() -> None:
    with pytest.raises(ClientError, match="the audio cannot be decoded as MP4, M4A, MOV or 3GP: it does not begin"):
        segments_of(b"\x00\x00\x00\x20ftypM4A " + bytes(5000))
    with pytest.raises(ClientError, match="the audio is ZIP; send a recording with sound"):
        segments_of(b"PK\x03\x04" + bytes(5000))
    with pytest.raises(ClientError, match=r"the audio is a text: <!doctype html>.*; if it is bare samples"):
        segments_of(b"<!doctype html><title>Not found</title>" * 9)
    with pytest.raises(ClientError, match="the audio is WAV, but audioEncoding is FLAC"):
        segments_of(wav(spoken()), configured(audioEncoding="FLAC"))
