"""Rows 18 and 19 through the whole live endpoint: whatever is sent, the server lives and says why, and only that."""

import asyncio
import base64
import contextlib
import json
import logging
import random
import struct
from collections import Counter
from collections.abc import AsyncIterator
from functools import cache
from urllib.parse import quote

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus, WebSocketException

from stream.configuration.config import KEYS, SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.farsava.commands import parse_command
from stream.session.commands import Configure
from tests.stream.audio.encoders import encoded
from tests.support.loops.tasks import own_tasks
from tests.support.sounds import clip_pcm
from tests.support.tiers import tiered
from tests.web.support.gateway import running_gateway, shared
from tests.web.support.sockets import converse, http_client, received, talking
from web.settings.settings import Settings

CONVERSATIONS = tiered(40, 100)
SEEDS = tiered(range(1, 2), range(1, 20))
# Longer than the silence after which a server gives up, and than it owes a text.
_ENDED_SECONDS = 120.0
# uvicorn says it of every handshake that is refused on purpose.
FALSE_ALARM = "ASGI callable returned without completing handshake."
AT_ONCE = 8
ENCODINGS = ("LINEAR16", "FLAC", "MP3", "OGG_OPUS", "WEBM_OPUS", "MULAW", "ALAW")
NAMES = sorted(key.name for key in KEYS)
# Every way to end that is the client's doing, and the longest session; a fault of ours (1011) and an end without a
# word (1006) are not among them.
ALLOWED_CLOSES = {1000, 1002, 1007, 1008, 1009, 4400, 4404, 4408, 4415}
ALLOWED_REFUSALS = {400, 403, 404, 413, 414, 415, 431}
# How much unfolds, at which rate.
BOMBS = {"flac": (600, 16_000), "ogg": (120, 48_000)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(module_database: str) -> AsyncIterator[str]:
    settings = Settings(port=0, database_url=module_database, handshakes_per_second=10_000, streams=1000)
    async with running_gateway(settings=settings) as base:
        yield base


class Hostile:
    """Makes up what to send; the same seed makes up the same."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311

    def query(self) -> str:
        pairs = [(self.name(), self.text()) for _ in range(self.dice.choice([0, 0, 0, 1, 3]))]
        good = ["extended=true", f"audioEncoding={self.dice.choice(ENCODINGS)}", "vad=off", "audioTransfer=raw"]
        chosen = self.dice.sample(good, self.dice.randint(0, 2))
        return "&".join([*chosen, *(f"{quote(name)}={quote(value)}" for name, value in pairs)])

    def message(self) -> bytes | str | float:  # noqa: PLR0911
        match self.dice.randint(0, 9):
            case 0:
                return self.text()
            case 1:
                return json.dumps({"config": {self.name(): self.value() for _ in range(self.dice.randint(0, 3))}})
            case 2:
                return self.dice.choice(['{"type":"finalize"}', '{"type":"keepAlive"}', "CLOSE", '{"config":{}}'])
            case 3:
                return self.dice.choice(
                    [
                        "[" * 90_000,
                        '{"config":' * 30_000,
                        '{"a":NaN}',
                        '{"a":1,"a":1}',
                        '{"config":{"boost":1e400}}',
                        "\ud7ff\0",
                    ]
                )
            case 4:
                return self.dice.choice([0.0, 0.01, 0.15])
            case 5:
                return base64.b64encode(self.sound())[self.dice.randint(0, 3) :]
            case 6:
                return self.damaged(encoded(bytes(8000), 48_000, self.dice.choice(["mp3", "flac", "ogg", "webm"])))
            case 7:
                return self.header() + self.sound()
            case 8:
                return self.dice.randbytes(self.dice.choice([0, 1, 3, 15, 17, 999, 40_001]))
            case _:
                return self.sound()

    def name(self) -> str:
        return self.dice.choice([*NAMES, "", "jwt", "__class__", "a\r\nb", "\u202e", "x" * 3000])

    def text(self) -> str:
        known = ["true", "false", "-1", "1e9", "9" * 400, "", "NaN", "close ", "\0", "'\"<script>", "%00", "\u0645"]
        return self.dice.choice([*known, self.dice.randbytes(20).decode("latin-1")])

    def value(self) -> object:
        nested: object = [{"a": [None]}] * 3
        return self.dice.choice([None, True, -1, 0, 1, 1e308, 10**40, "true", "", [], {}, nested, ["\n"], self.text()])

    def sound(self) -> bytes:
        return self.dice.choice([clip_pcm("yes.wav"), bytes(16_000), self.dice.randbytes(9_999), b"\xff\x7f" * 500])

    def header(self) -> bytes:
        rate, channels = self.dice.choice([0, 1, 8000, 192_000, 2**32 - 1]), self.dice.choice([0, 1, 2, 8, 65_535])
        bits, length = self.dice.choice([0, 8, 16, 64]), self.dice.choice([0, 16, 2**32 - 1])
        kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, self.dice.choice([0, 1, 6, 85]), channels, rate, rate, 2, bits)
        return b"RIFF" + struct.pack("<I", length) + b"WAVE" + kind + b"data" + struct.pack("<I", length)

    def damaged(self, data: bytes) -> bytes:
        damaged = bytearray(data[: self.dice.randint(1, len(data))])
        for _ in range(self.dice.choice([0, 1, 50])):
            damaged[self.dice.randrange(len(damaged))] = self.dice.randrange(256)
        return bytes(damaged)


async def misbehave(url: str, seed: int) -> str:
    """Talk nonsense for a while; how it ended."""
    hostile = Hostile(seed)
    try:
        async with (
            asyncio.timeout(_ENDED_SECONDS),
            talking(url, hostile.query(), compression=None, max_size=None) as socket,
        ):
            listening = asyncio.create_task(_listen(socket))
            with contextlib.suppress(WebSocketException):
                for _ in range(hostile.dice.randint(1, 12)):
                    message = hostile.message()
                    await (asyncio.sleep(message) if isinstance(message, float) else socket.send(message))
            if hostile.dice.random() < 0.2:
                socket.transport.abort()
                await listening
                return "vanished"
            said = await listening
    except InvalidStatus as refused:
        assert refused.response.status_code in ALLOWED_REFUSALS, refused.response
        return "refused"
    assert socket.close_code in ALLOWED_CLOSES, (seed, socket.close_code, said[-1:])
    assert said, seed
    last = json.loads(said[-1])
    assert ("results" in last) == (socket.close_code == 1000), (seed, last)
    return "answered"


async def _listen(socket: object) -> list[str]:
    return [message async for message in received(socket)]  # type: ignore[arg-type]


@pytest.mark.fault(18)
@pytest.mark.parametrize("seed", SEEDS)
@shared
async def test_whatever_is_sent_the_server_lives_and_nothing_breaks(
    url: str, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    undisturbed = await converse(url, clip_pcm("quick.wav"), "close")
    before = own_tasks()
    ends: Counter[str] = Counter()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            ends[await misbehave(url, 1000 * seed + number)] += 1

    with capture_logs() as events:
        async with asyncio.TaskGroup() as tasks:
            for number in range(CONVERSATIONS):
                tasks.create_task(one(number))
            honest = tasks.create_task(converse(url, clip_pcm("quick.wav"), "close"))
        afterwards = await converse(url, clip_pcm("quick.wav"), "close")
        await asyncio.sleep(_ENDED_SECONDS)
        assert not own_tasks() - before
    assert undisturbed.transcript == honest.result().transcript == afterwards.transcript
    assert set(ends) == {"answered", "refused", "vanished"}
    assert [event for event in events if event["log_level"] in ("error", "critical")] == []
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert [text for text in told if text != FALSE_ALARM] == []


# --- what the keys take ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.fault(18)
@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=10), JSON, max_size=4))
def test_a_value_of_any_type_is_taken_or_named(values: dict[str, object]) -> None:
    command = parse_command(json.dumps({"config": values}))
    assert isinstance(command, Configure)
    try:
        config = SessionConfig().with_message(command.values, audio_began=False)
    except ClientError as error:
        assert error.problem in {Problem.INVALID_CONFIG, Problem.UNSUPPORTED_MEDIA}
        assert error.detail.isprintable()
    else:
        assert set(config.explicit) <= set(NAMES)


@pytest.mark.fault(18)
@pytest.mark.timeout(20)
def test_a_key_twice_is_found_at_once_among_as_many_as_a_message_holds() -> None:
    many = ",".join(f'"{number}":1' for number in range(14_000))
    with pytest.raises(ClientError, match="is given more than once"):
        parse_command(f'{{"config":{{{many},"x":1,"x":2}}}}')


# --- what unfolds ---


@cache
def bomb(container: str) -> bytes:
    """Much silence in few bytes."""
    seconds, rate = BOMBS[container]
    return encoded(bytes(seconds * 32_000), rate, container, bits=6_000)


@pytest.mark.fault(19)
@pytest.mark.parametrize("container", BOMBS)
@shared
async def test_what_unfolds_to_more_than_a_minute_is_too_large_where_a_minute_is_taken(
    url: str, container: str
) -> None:
    seconds, _ = BOMBS[container]
    assert len(bomb(container)) < seconds * 32_000 / 10
    async with http_client(url) as client:
        answer = await client.post("/v1/speech/asr", files={"audio": bomb(container)})
        assert (answer.status_code, answer.json()["type"]) == (413, "too_large")
        assert answer.json()["detail"] == "the audio is longer than 61 seconds"
    assert (await converse(url, clip_pcm("quick.wav"), "close")).close_code == 1000


@pytest.mark.fault(19)
@shared
async def test_a_live_stream_unfolds_to_twice_its_longest_time_at_most() -> None:
    async with running_gateway(settings=Settings(port=0, stream_limit_minutes=0.5)) as base:
        conversation = await converse(base, clip_pcm("quick.wav"), "close")
        assert conversation.close_code == 1000
        unfolded = await converse(base, bomb("flac"), "close", query="audioEncoding=FLAC")
    assert (unfolded.close_code, unfolded.messages[-1]["type"]) == (1009, "too_large")
    assert unfolded.messages[-1]["detail"] == "the audio is longer than 60 seconds"


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("rate", "channels", "what"),
    [(900_000, 1, "its sample rate is 900000"), (16_000, 80, "it has 80 channels")],
)
@shared
async def test_sound_that_is_not_taken_is_told_over_both_ways(url: str, rate: int, channels: int, what: str) -> None:
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, 2 * rate * channels, 2 * channels, 16)
    sound = b"RIFF" + bytes(4) + b"WAVE" + kind + b"data" + struct.pack("<I", 2**32 - 1) + bytes(32_000)
    live = await converse(url, sound, "close")
    assert (live.close_code, live.messages[-1]["type"]) == (1007, "invalid_audio")
    async with http_client(url) as client:
        answer = await client.post("/v1/speech/asr", files={"audio": sound})
    assert (answer.status_code, answer.json()["type"]) == (400, "invalid_audio")
    assert what in live.messages[-1]["detail"]
    assert what in answer.json()["detail"]
