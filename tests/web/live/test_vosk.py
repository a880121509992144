"""Vosk's protocol over a socket: one reply to each message, one result for each utterance."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from tests.stream.session.test_chunk_invariance import speech
from tests.support.recognizers import CountingStream, FailingStream
from tests.support.sounds import clip_pcm, clip_texts, cut, words_of
from tests.support.tiers import tiered
from tests.web.live.test_cuts import random_cuts
from tests.web.support.gateway import Gateway, ScriptBook, running_gateway, shared
from tests.web.support.sockets import converse, talking
from web.settings.settings import Settings

EOF_MESSAGE = '{"eof" : 1}'
RATE_16000 = '{"config" : {"sample_rate" : 16000}}'
SILENCE = bytes(32000)
# The last sentence ends with a pause, so that its result answers a message of audio.
SENTENCES = SILENCE + clip_pcm("quick.wav") + SILENCE + clip_pcm("harbour.wav") + SILENCE * 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_database: str) -> AsyncIterator[Gateway]:
    book = ScriptBook()
    settings = Settings(port=0, database_url=module_database, handshakes_per_second=10_000)
    async with running_gateway(book, settings) as base:
        yield Gateway(base, book)


@dataclass
class Call:
    """The replies to what a client of Vosk sent, and how the connection ended."""

    replies: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None
    close_reason: str | None = None

    @property
    def results(self) -> list[dict[str, Any]]:
        return [reply for reply in self.replies if reply.get("text")]

    @property
    def words(self) -> list[dict[str, Any]]:
        return [word for one in self.results for word in one["result"]]


def config(*phrases: str) -> str:
    """Return a configuration at 16 kHz with these phrases."""
    return json.dumps({"config": {"sample_rate": 16_000, "phrase_list": phrases}})


async def call(base: str, *sent: bytes | str, query: str = "", waits: bool = True) -> Call:
    """Send messages as Vosk's own examples do: each but a configuration when the one before it was answered.

    A client that does not wait reads the replies beside.
    """
    made = Call()
    async with asyncio.timeout(60), talking(base, query, path="/vosk", compression=None) as socket:
        with suppress(ConnectionClosed):
            for message in sent:
                await socket.send(message)
                if waits and '{"config"' not in str(message):
                    made.replies.append(json.loads(await socket.recv()))
            while True:
                made.replies.append(json.loads(await socket.recv()))
        made.close_code, made.close_reason = socket.close_code, socket.close_reason
    return made


# --- with scripted recognizers ---


@shared
async def test_every_message_is_answered_once(gateway: Gateway) -> None:
    sent = cut(speech(16000), 3200)
    made = await call(gateway.base, RATE_16000, *sent, '{"reset" : 1}', b"", EOF_MESSAGE)
    assert len(made.replies) == len(sent) + 3
    assert [list(reply) for reply in made.replies[-3:]] == [["text"], ["partial"], ["text"]]
    assert (made.close_code, made.close_reason) == (1000, "close")


@shared
async def test_results_do_not_depend_on_cuts(gateway: Gateway) -> None:
    sound = speech(16000)
    usual = await call(gateway.base, RATE_16000, *cut(sound, 3200), EOF_MESSAGE)
    assert len(usual.results) == 2
    for seed in range(3):
        for waits in (True, False):
            made = await call(gateway.base, RATE_16000, *random_cuts(sound, seed), EOF_MESSAGE, waits=waits)
            assert made.words == usual.words
    for size in (640, 3201, 8000):
        assert (await call(gateway.base, RATE_16000, *cut(sound, size), EOF_MESSAGE)).results == usual.results


@shared
async def test_a_file_in_one_message_is_reported_whole(gateway: Gateway) -> None:
    usual = await call(gateway.base, RATE_16000, *cut(speech(16000), 3200), EOF_MESSAGE)
    made = await call(gateway.base, RATE_16000, speech(16000), EOF_MESSAGE)
    assert len(made.replies) == 2
    assert made.words == usual.words


@shared
async def test_audio_is_taken_at_8000_hertz_unless_the_client_says_more(gateway: Gateway) -> None:
    telephone = await call(gateway.base, *cut(speech(8000), 1600), EOF_MESSAGE)
    wide = await call(gateway.base, RATE_16000, *cut(speech(16000), 3200), EOF_MESSAGE)
    assert [one["text"] for one in telephone.results] == [one["text"] for one in wide.results]
    by_query = await call(gateway.base, *cut(speech(16000), 3200), EOF_MESSAGE, query="sampleRateHertz=16000")
    assert by_query.results == wide.results


@shared
async def test_a_reset_ends_the_open_utterance(gateway: Gateway) -> None:
    sound = clip_pcm("quick.wav")[:48_000]
    made = await call(gateway.base, RATE_16000, sound, '{"reset" : 1}', sound, EOF_MESSAGE)
    assert [bool(reply.get("text")) for reply in made.replies] == [False, True, False, True]


@shared
@pytest.mark.parametrize("query", ["vad=off", "vad=manual", "vad=off&interimResults=false"])
async def test_without_a_detector_resets_and_the_end_are_results(gateway: Gateway, query: str) -> None:
    pieces = cut(clip_pcm("quick.wav")[:48_000], 16_000)
    sent: list[bytes | str] = [*pieces, '{"reset" : 1}', *pieces, EOF_MESSAGE]
    made = await call(gateway.base, RATE_16000, *sent, query=query)
    assert [one["text"] for one in made.results] == ["w0 w1 w2 w3 w4 w5"] * 2
    assert len(made.replies) == len(sent)


@shared
async def test_a_configuration_reaches_recognizer_and_results(gateway: Gateway) -> None:
    script = gateway.book.add()
    values = {"sample_rate": 16000, "words": False, "max_alternatives": 3, "phrase_list": [script.name, "[unk]"]}
    made = await call(gateway.base, json.dumps({"config": values}), speech(16000), EOF_MESSAGE)
    options = script.streams[0].options
    assert (options.max_alternatives, options.phrases) == (3, (script.name,))
    assert [list(one) for one in made.replies[-1]["alternatives"]] == [["confidence", "text"]]


@shared
async def test_what_was_said_before_a_client_is_cut_off_is_sent(gateway: Gateway) -> None:
    made = await call(gateway.base, RATE_16000, *cut(clip_pcm("quick.wav"), 3200), waits=False)
    assert len(made.results) == 1
    assert (made.close_code, made.close_reason) == (1000, "idle")


@shared
@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        ("hello", 1007, 'invalid_message: "hello" is not understood; allowed are {"config": {...}}, {"reset": 1}'),
        ('{"config": {"sample_rate": 4000}}', 4400, "invalid_config: sampleRateHertz is 4000; it must be between 8000"),
        ('{"config": {"words": []}}', 4400, "invalid_config: words is []; it must be true or false"),
    ],
)
async def test_errors_are_the_reason_of_the_close(gateway: Gateway, sent: str, code: int, reason: str) -> None:
    made = await call(gateway.base, sent)
    assert (made.replies, made.close_code) == ([], code)
    assert made.close_reason is not None
    assert made.close_reason.startswith(reason)


@shared
async def test_a_rate_that_changes_under_the_audio_is_refused(gateway: Gateway) -> None:
    made = await call(gateway.base, bytes(1600), RATE_16000)
    assert (len(made.replies), made.close_code) == (1, 4400)


@shared
async def test_a_failed_utterance_leaves_no_message_unanswered(gateway: Gateway) -> None:
    script = gateway.book.add(FailingStream, CountingStream)
    sent = cut(speech(16000), 3200)
    made = await call(gateway.base, config(script.name), *sent, EOF_MESSAGE)
    assert (len(made.replies), made.close_code) == (len(sent) + 1, 1000)
    assert made.results[0]["text"] == "w0 w1"


@shared
async def test_a_recognizer_that_keeps_failing_is_the_reason_of_the_close(gateway: Gateway) -> None:
    script = gateway.book.add(FailingStream)
    made = await call(gateway.base, config(script.name), *cut(speech(16000), 3200), EOF_MESSAGE, waits=False)
    reason = "recognizer_failed: the recognizer failed 3 times in a row; try again later"
    assert (made.close_code, made.close_reason) == (1011, reason)


@shared
async def test_two_channels_are_refused_before_the_connection(gateway: Gateway) -> None:
    with pytest.raises(Exception, match="HTTP 400"):
        await call(gateway.base, query="channels=2&extended=true")


@shared
@pytest.mark.parametrize("seed", range(tiered(25, 500)))
async def test_hostile_messages_end_the_connection_with_a_code(gateway: Gateway, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    kinds = ["noise", EOF_MESSAGE, '{"reset":1}', RATE_16000, '{"config":[]}', '{"config":{"words":0}}', "{", "\0", ""]
    chosen = dice.choices(kinds, [8, 1, 4, 4, 1, 2, 1, 1, 1], k=dice.randint(0, 12))
    messages = [dice.randbytes(dice.choice([0, 1, 999, 4000])) if one == "noise" else one for one in chosen]
    made = await call(gateway.base, *messages, EOF_MESSAGE, waits=False)
    assert made.close_code in {1000, 1007, 4400, 4415}


# --- with the embedded engine ---


async def test_words_and_times_are_those_of_the_live_protocol(server: str) -> None:
    made = await call(server, RATE_16000, *cut(SENTENCES, 3200), EOF_MESSAGE, query="languageCode=en")
    usual = await converse(server, *cut(SENTENCES, 3200), "close")
    results = usual.messages[-1]["results"]
    assert [words_of(one["text"]) for one in made.results] == [words_of(one["transcript"]) for one in results]
    assert [words_of(one["text"]) for one in made.results] == [
        words_of(clip_texts()[name]) for name in ("quick.wav", "harbour.wav")
    ]
    expected = [(word["startTime"], word["endTime"]) for one in results for word in one["words"]]
    assert times(made.words) == [pytest.approx(pair, abs=0.025) for pair in expected]  # the step of the engine is 20 ms
    assert all(one["text"] == " ".join(word["word"] for word in one["result"]) for one in made.results)


def times(words: Iterable[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(word["start"], word["end"]) for word in words]
