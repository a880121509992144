"""What a client is told does not depend on its cuts: over a real socket, with the real detector."""

import random
from typing import Any

import pytest

from tests.stream.session.test_chunk_invariance import RATES, speech
from tests.support.sounds import cut
from tests.support.tiers import tiered
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import Conversation, converse

pytestmark = pytest.mark.virtual_time
_OWN = ("transcriptionId", "inferenceTime", "latency", "resume")


def told(conversation: Conversation) -> list[dict[str, Any]]:
    """The messages without what every connection has of its own."""
    return [{key: value for key, value in message.items() if key not in _OWN} for message in conversation.messages]


def random_cuts(sound: bytes, seed: int) -> list[bytes | str]:
    """Messages of one byte to two seconds, split samples included."""
    dice = random.Random(seed)  # noqa: S311
    messages: list[bytes | str] = []
    start = 0
    while start < len(sound):
        size = int(10 ** dice.uniform(0, 5))
        messages.append(sound[start : start + size])
        start += size
    return messages


@pytest.mark.fault(9)
@pytest.mark.parametrize("rate", RATES)
async def test_every_message_is_the_same_under_any_cut(rate: int) -> None:
    query = f"sampleRateHertz={rate}&interimResults=false"
    async with running_gateway() as url:
        whole = await converse(url, speech(rate), "close", query=query)
        assert [message["status"] for message in whole.messages] == ["partial", "partial", "done"]
        for seed in range(tiered(3, 30)):
            in_pieces = await converse(url, *random_cuts(speech(rate), seed), "close", query=query)
            assert told(in_pieces) == told(whole)


async def test_in_extended_mode_utterances_and_totals_are_the_same_under_any_cut() -> None:
    async with running_gateway() as url:
        runs = [
            await converse(url, *sent, "close", query="extended=true&interimResults=false")
            for sent in ([speech(16000)], cut(speech(16000), 3200), random_cuts(speech(16000), 5))
        ]
    unclocked = [
        [
            {key: value for key, value in message.items() if key not in ("audio", "sequence")}
            for message in sorted(told(run), key=lambda message: (message.get("utteranceId", 9), message["type"]))
        ]
        for run in runs
    ]
    assert unclocked[0] == unclocked[1] == unclocked[2]
