"""Every key of the configuration changes something that can be seen: a request to the recognizer, or a message."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import pytest_asyncio

from stream.configuration.config import KEYS
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import Conversation, converse
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

SILENCE = bytes(32_000)

# A whole number of frames, so that a second one is cut into the same frames; the recognizer is sent 3.8 s of it, and
# 3.6 s of a second one, whose silence is not the first that the detector hears.
SENTENCE = SILENCE + clip_pcm("quick.wav") + bytes(160) + SILENCE
NOISE = np.random.default_rng(7).normal(0, 3000, 48_000).astype("<i2").tobytes()


@dataclass(frozen=True)
class Seen:
    """What one connection led to; `stream` is the utterance that is looked at."""

    conversation: Conversation
    streams: list[CountingStream]
    number: int = 0

    @property
    def stream(self) -> CountingStream:
        return self.streams[self.number]

    @property
    def heard_seconds(self) -> float:
        """How much sound the recognizer was sent for the utterance; the detector may differ by a frame or two."""
        return round(len(self.stream.pcm) / 32_000, 1)

    @property
    def done(self) -> dict[str, Any]:
        return self.conversation.messages[-1]

    @property
    def in_force(self) -> dict[str, Any]:
        """The last configuration of the stream."""
        configs: list[dict[str, Any]] = [m["config"] for m in self.conversation.messages if m.get("type") == "ready"]
        return configs[-1]


@dataclass(frozen=True)
class Case:
    """A value for a key, and what to look at: it is `before` without the value and `after` with it."""

    value: object
    look: Callable[[Seen], object]
    before: object
    after: object
    sound: bytes = SENTENCE
    is_extended: bool = False
    phrases: tuple[str, ...] = ()


def option(name: str) -> Callable[[Seen], object]:
    return lambda seen: getattr(seen.stream.options, name)


CASES = {
    "audioEncoding": Case("MULAW", lambda seen: seen.done["duration"], 1.0, 2.0, bytes([0xFF]) * 32_000),
    "sampleRateHertz": Case(8000, lambda seen: seen.done["duration"], 1.0, 2.0, SILENCE),
    "languageCode": Case("fa", option("language_code"), "en-US", "fa-IR"),
    "maxAlternatives": Case(3, option("max_alternatives"), 1, 3),
    "profanityFilter": Case(False, option("profanity_filter"), True, False),
    "asrModel": Case(
        "video",
        lambda seen: (seen.stream.options.asr_model, seen.heard_seconds),
        ("default", 3.8),
        ("video", pytest.approx(3.9, abs=0.15)),
    ),
    "languageModel": Case(
        "yesno",
        lambda seen: ("yes" in seen.stream.options.phrases, seen.stream.options.closed_vocabulary),
        (False, False),
        (True, True),
    ),
    "interimResults": Case(False, option("interim_results"), True, False),
    "extended": Case(True, lambda seen: seen.conversation.messages[0].get("type"), None, "ready"),
    "wholeSeconds": Case(True, lambda seen: type(seen.done["duration"]), float, int),
    "audioTransfer": Case("raw", lambda seen: seen.done["duration"], 0.75, 1.0, base64.b64encode(bytes(24_000))),
    "vad": Case("silero", lambda seen: len(seen.streams), 1, 0, NOISE),
    "vadAggressiveness": Case(0, lambda seen: len(seen.stream.pcm) > 2 * 61_000, False, True),
    "prerollMs": Case(0, lambda seen: seen.heard_seconds, 3.8, pytest.approx(3.4, abs=0.15)),
    "hangoverMs": Case(200, lambda seen: seen.heard_seconds, 3.8, pytest.approx(3.3, abs=0.15)),
    "endpointing": Case("adaptive", option("first_pass_ms"), None, 150),
    "maxUtteranceMs": Case(2000, lambda seen: seen.heard_seconds <= 2.0, False, True),
    "phrases": Case(["lazy dog", "fox"], lambda seen: seen.stream.options.phrases, (), ("lazy dog", "fox")),
    "vocabulary": Case("closed", option("closed_vocabulary"), False, True, phrases=("lamp {on,off}",)),
    "boost": Case(55.5, option("boost"), 20, 55.5),
    "punctuation": Case(False, option("punctuation"), True, False),
    "numbers": Case("digits", option("writes_digits"), False, True),
    "channels": Case(
        2,
        lambda seen: sorted({m["channel"] for m in seen.conversation.messages if "channel" in m}),
        [],
        [0, 1],
        np.repeat(np.frombuffer(SENTENCE, "<i2"), 2).tobytes(),
        is_extended=True,
    ),
    "store": Case(False, lambda seen: seen.in_force["store"], True, False, SILENCE, is_extended=True),
    "asrStatus": Case(200, lambda seen: seen.in_force["asrStatus"], 201, 200, SILENCE, is_extended=True),
}


async def test_the_table_has_every_key() -> None:
    assert set(CASES) == {key.name for key in KEYS}


@dataclass(frozen=True)
class Observer:
    """A server with a recognizer whose streams can be looked at."""

    url: str
    recognizer: ScriptedRecognizer

    async def see(self, *sent: bytes | str, **values: object) -> Seen:
        """What these messages lead to, with these values in the query."""
        texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
        before = len(self.recognizer.streams)
        conversation = await converse(self.url, *sent, "close", query=urlencode(texts, doseq=True))
        return Seen(conversation, self.recognizer.streams[before:])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def observer(module_database: str) -> AsyncIterator[Observer]:
    recognizer = ScriptedRecognizer(languages=("en-US", "fa-IR"))
    settings = Settings(port=0, database_url=module_database, handshakes_per_second=10_000)
    async with running_gateway(recognizer, settings) as base:
        yield Observer(base, recognizer)


def config(name: str) -> str:
    return json.dumps({"config": {name: CASES[name].value}})


def needed(case: Case) -> dict[str, object]:
    phrases: dict[str, object] = {"phrases": case.phrases} if case.phrases else {}
    return phrases | ({"extended": True} if case.is_extended else {})


@pytest.mark.parametrize("name", CASES)
async def test_a_key_makes_a_difference(observer: Observer, name: str) -> None:
    case = CASES[name]
    without = await observer.see(case.sound, **needed(case))
    by_query = await observer.see(case.sound, **needed(case), **{name: case.value})
    by_message = await observer.see(config(name), case.sound, **needed(case))
    assert [case.look(seen) for seen in (without, by_query, by_message)] == [case.before, case.after, case.after]
    assert {seen.conversation.close_code for seen in (without, by_query, by_message)} == {1000}


@pytest.mark.parametrize("name", [key.name for key in KEYS if key.frozen_by_audio])
async def test_a_frozen_key_cannot_change_after_the_first_audio(observer: Observer, name: str) -> None:
    case = CASES[name]
    seen = await observer.see(SENTENCE, config(name), **needed(case))
    error = seen.conversation.messages[-1]
    assert (seen.conversation.close_code, seen.conversation.close_reason) == (4400, "invalid_config")
    assert error["detail"].startswith(f"{name} is {case.value} after the first audio was received with ")
    assert error["code"] == 400
    assert len(seen.streams) == 1


@pytest.mark.parametrize("name", [key.name for key in KEYS if not key.frozen_by_audio])
async def test_any_other_key_holds_from_the_next_utterance_on(observer: Observer, name: str) -> None:
    case = CASES[name]
    middle = len(SENTENCE) // 2
    seen = await observer.see(SENTENCE[:middle], config(name), SENTENCE[middle:], SENTENCE, **needed(case))
    assert seen.conversation.close_code == 1000
    assert case.look(seen) == case.before
    assert case.look(replace(seen, number=1)) == case.after
