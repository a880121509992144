"""Deepgram's messages never depend on how the sound was cut, at any rate and in any encoding."""

import functools
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import SessionConfig
from stream.protocols.deepgram.protocol import Deepgram
from stream.protocols.protocol import Handshake, Opening
from stream.session.deadlines import RunnerLimits
from stream.session.events import ClientEvent
from tests.stream.session.test_chunk_invariance import RATES, Lockstep, speech
from tests.support.sounds import cut, wav
from tests.support.tiers import examples

EVENTS = "interim_results=true&vad_events=true&utterance_end_ms=700&smart_format=true"
KINDS = ("Results", "SpeechStarted", "UtteranceEnd", "Metadata")


class DeepgramLockstep(Lockstep):
    """The whole way from the bytes of a client of Deepgram to its messages."""

    def __init__(self, query: str, rate: int) -> None:
        handshake = Handshake(query=tuple(parse_qsl(query)), headers={})
        config = Deepgram().configured(SessionConfig(), handshake)
        super().__init__(rate, config)
        self._adapter = Deepgram().open(
            Opening(
                transcription_id="id",
                handshake=handshake,
                opened_at=0.0,
                max_message_bytes=1 << 20,
                limits=RunnerLimits(),
                config=config,
            )
        )

    def run(self, sent: list[bytes]) -> list[str]:
        return super().run([one for message in sent for one in self._adapter.read(message) if isinstance(one, bytes)])

    def _tell(self, events: list[ClientEvent]) -> None:
        for event in events:
            self.messages += map(str, self._adapter.write(event, self._config))


@functools.cache
def uncut(query: str, rate: int, *, is_file: bool) -> list[str]:
    sound = wav(speech(rate), rate) if is_file else speech(rate)
    return DeepgramLockstep(query, rate).run([sound])


def test_every_kind_of_message_is_among_them() -> None:
    messages = uncut(f"{EVENTS}&encoding=linear16&sample_rate=16000", 16_000, is_file=False)
    kinds = [kind for message in messages for kind in KINDS if f'"type":"{kind}"' in message]
    assert len(kinds) == len(messages)
    assert {kind: kinds.count(kind) for kind in KINDS if kind != "Results"} == {
        "SpeechStarted": 2,
        "UtteranceEnd": 1,
        "Metadata": 1,
    }
    assert sum('"is_final":true' in message for message in messages) == 2


@examples(10)
@given(st.sampled_from(RATES), st.booleans(), st.lists(st.integers(1, 20_000), min_size=1, max_size=8))
def test_messages_are_the_same_under_any_cut(rate: int, is_file: bool, sizes: list[int]) -> None:
    if sum(sizes) // len(sizes) < 8:
        sizes = [*sizes, 400]
    query = EVENTS if is_file else f"{EVENTS}&encoding=linear16&sample_rate={rate}"
    sound = wav(speech(rate), rate) if is_file else speech(rate)
    assert DeepgramLockstep(query, rate).run(cut(sound, *sizes)) == uncut(query, rate, is_file=is_file)
