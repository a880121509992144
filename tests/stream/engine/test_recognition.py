import asyncio
import time
from dataclasses import dataclass, field

import pytest

from stream.engine.features import Samples
from stream.engine.options import CallOptions
from stream.engine.readings import DecodedWord, Decoding, Reading, Search
from stream.engine.recognition import Final, Recognition
from stream.engine.scheduler import Scheduler
from stream.engine.utterance import Partial, Utterance
from vad import SegmenterOptions

WHOLE = SegmenterOptions(onset=0, onset_window=0, preroll=0, hangover=1000, longest=900)


class SlowDecoder:
    """Says "yes" after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def decode(self, samples: Samples, language: str, search: Search, *, align: bool = False) -> Decoding:
        time.sleep(self._seconds)
        return Decoding((Reading((DecodedWord("yes", (1,)),), -0.1),), 0.0, "en")


@dataclass
class Listener:
    told: list[str] = field(default_factory=list)

    async def tell_partial(self, partial: Partial, utterance: Utterance) -> None:
        self.told.append("partial")

    async def tell_delay(self) -> None:
        self.told.append("delay")

    async def tell_final(self, final: Final) -> None:
        self.told.append("final")


async def settle(decode_seconds: float) -> list[str]:
    listener, scheduler = Listener(), Scheduler(1)
    recognition = Recognition(
        SlowDecoder(decode_seconds), scheduler, CallOptions("en", 16_000, 1, True, WHOLE), "en", listener
    )
    try:
        await recognition.feed(bytes(32_000))
        await recognition.drain()
    finally:
        await scheduler.close()
    return listener.told


async def test_a_caller_hears_a_sign_of_life_while_a_final_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.engine.recognition._SIGN_OF_LIFE_SECONDS", 0.05)
    told = await settle(0.3)
    assert told[-1] == "final"
    assert set(told[:-1]) == {"delay"}
    assert len(told) >= 3


async def test_a_final_that_is_quick_is_told_alone() -> None:
    assert await settle(0.0) == ["final"]


async def test_a_caller_that_leaves_meanwhile_leaves_no_decoding_behind() -> None:
    waiting = asyncio.create_task(settle(0.2))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
