"""The result never depends on how the sound was cut into messages, at any rate, in any transfer."""

import base64
import functools

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.decoder import AudioDecoder
from stream.configuration.config import SessionConfig
from stream.protocols.farsava.messages import SessionLimits
from stream.protocols.farsava.writer import MessageWriter
from stream.session.events import (
    AudioEnded,
    AudioReceived,
    ClientEvent,
    Configured,
    EndCause,
    FinishStream,
    HypothesisReceived,
    OpenStream,
    Order,
    RecognitionOptions,
    SendAudio,
    SessionInput,
)
from stream.session.session import Session
from tests.support.recognizers import WORD_SAMPLES, counted
from tests.support.sounds import clip_pcm, cut, wav
from tests.support.tiers import examples
from vad import SAMPLE_BYTES, Framer, split_frames

RATES = (8000, 16000, 22050, 44100, 48000)
_PAUSE = bytes(2 * 12_000)


@functools.cache
def speech(rate: int) -> bytes:
    """Two spoken sentences with a pause between them, at `rate` hertz."""
    pcm = _PAUSE + clip_pcm("yes.wav") + _PAUSE + clip_pcm("quick.wav") + _PAUSE
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    resampled = soxr.resample(samples, 16000, rate) if rate != 16000 else samples
    return np.rint(resampled).astype("<i2").tobytes()


class Lockstep:
    """The whole way from bytes to messages, with a recognizer that answers before the next frame."""

    def __init__(self, rate: int, config: SessionConfig | None = None) -> None:
        config = config or SessionConfig(sample_rate_hertz=rate)
        self._decoder = AudioDecoder(config.audio_format)
        self._framer = Framer()
        self._config = config
        self._session = Session(Configured(config, RecognitionOptions("en-US")))
        self._writer = MessageWriter("id", SessionLimits(1, 1, 1, 1))
        self._heard: dict[int, int] = {}
        self.messages: list[str] = []

    def run(self, sent: list[bytes]) -> list[str]:
        for message in sent:
            for (pcm,) in self._decoder.push(message):
                self._frames(self._framer.push(pcm))
        for (pcm,) in self._decoder.flush():
            self._frames(self._framer.push(pcm))
        self._frames(self._framer.flush())
        self._feed(AudioEnded(EndCause.CLOSE))
        return self.messages

    def _frames(self, pcm: bytes) -> None:
        # The scripted recognizer answers each frame.
        for frame in split_frames(pcm):
            self._feed(AudioReceived((frame,)))

    def _feed(self, event: SessionInput) -> None:
        self._session.receive(event)
        orders = self._session.take_orders()
        self._tell(self._session.take_events())
        for order in orders:
            self._recognize(order)

    def _recognize(self, order: Order) -> None:
        match order:
            case OpenStream(utterance_id):
                self._heard[utterance_id] = 0
            case SendAudio(utterance_id, pcm):
                before = self._heard[utterance_id]
                self._heard[utterance_id] += len(pcm) // SAMPLE_BYTES
                for words in range(before // WORD_SAMPLES + 1, self._heard[utterance_id] // WORD_SAMPLES + 1):
                    self._feed(HypothesisReceived(utterance_id, counted(words * WORD_SAMPLES, is_final=False)))
            case FinishStream(utterance_id):
                self._feed(HypothesisReceived(utterance_id, counted(self._heard[utterance_id], is_final=True)))

    def _tell(self, events: list[ClientEvent]) -> None:
        for event in events:
            message = self._writer.write(event, self._config)
            if message is not None:
                self.messages.append(message)


@functools.cache
def uncut(rate: int) -> list[str]:
    return Lockstep(rate).run([speech(rate)])


@pytest.mark.parametrize("rate", RATES)
def test_the_sentences_are_two_utterances(rate: int) -> None:
    messages = uncut(rate)
    assert len(messages) > 8
    assert messages[-1].count('"transcript"') == 2


@pytest.mark.fault(17)
@examples(15)
@given(st.sampled_from(RATES), st.lists(st.integers(1, 20_000), min_size=1, max_size=8))
def test_raw_samples_give_the_same_messages_under_any_cut(rate: int, sizes: list[int]) -> None:
    if sum(sizes) // len(sizes) < 8:
        sizes = [*sizes, 400]
    assert Lockstep(rate).run(cut(speech(rate), *sizes)) == uncut(rate)


@examples(8)
@given(
    st.sampled_from(RATES),
    st.sampled_from(["wav", "base64 of samples", "base64 of wav", "base64 of buffers"]),
    st.integers(50, 20_000),
)
def test_every_way_of_sending_gives_the_same_messages(rate: int, way: str, size: int) -> None:
    match way:
        case "wav":
            sent = wav(speech(rate), rate)
        case "base64 of samples":
            sent = base64.b64encode(speech(rate))
        case "base64 of wav":
            sent = base64.b64encode(wav(speech(rate), rate))
        case _:
            sent = b"".join(base64.b64encode(buffer) for buffer in cut(speech(rate), 1600))
    assert Lockstep(rate).run(cut(sent, size)) == uncut(rate)


@pytest.mark.fault(9)
def test_byte_by_byte_gives_the_same_messages() -> None:
    sent = speech(8000)[: 8000 * 4]
    assert Lockstep(8000).run(cut(sent, 1)) == Lockstep(8000).run([sent])
