"""Wyoming's port with the reference's own client: utterances in turn, errors, limits, and the end of a connection."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from pydantic import SecretStr
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient, AsyncTcpClient, AsyncUnixClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping

from stream.recognition.places import Refusal
from stream.recognition.recognizer import RecognizerFullError
from tests.stream.session.test_chunk_invariance import speech
from tests.support.loops.tasks import own_tasks
from tests.support.ports import unused_port
from tests.support.recognizers import FailingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm, clip_texts, cut, words_of
from tests.support.tiers import tiered
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import converse, http_client
from tests.web.support.tokens import SECRET, bearer
from tests.web.transport.serving import listening
from web.process.listening import StartError
from web.process.serve import running
from web.settings.settings import Settings

SILENCE = bytes(32_000)
HEADER = {"rate": 16_000, "width": 2, "channels": 1}


@asynccontextmanager
async def port(recognizer: ScriptedRecognizer | None = None, settings: Settings | None = None) -> AsyncIterator["Port"]:
    """A gateway with Wyoming's port, on a Unix socket so that it may share the virtual clock."""
    async with AsyncExitStack() as stack:
        listener, place = await stack.enter_async_context(listening())
        base = await stack.enter_async_context(running_gateway(recognizer, settings, wyoming_listener=listener))
        yield Port(base, place)


class Port:
    """Where a gateway is, and its Wyoming's port."""

    def __init__(self, base: str, place: int | str) -> None:
        self.base = base
        self.place = place

    def client(self) -> AsyncClient:
        """Return the reference's client."""
        place = self.place
        return AsyncUnixClient(place) if isinstance(place, str) else AsyncTcpClient("127.0.0.1", place)

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect without a client."""
        if isinstance(self.place, str):
            return await asyncio.open_unix_connection(self.place)
        return await asyncio.open_connection("127.0.0.1", self.place)


async def say(client: AsyncClient, *pieces: bytes, language: str | None = None, rate: int = 16_000) -> None:
    """Send an utterance as Home Assistant does."""
    await client.write_event(Transcribe(language=language).event())
    await client.write_event(AudioStart(rate, 2, 1).event())
    for piece in pieces:
        await client.write_event(AudioChunk(rate, 2, 1, piece).event())
    await client.write_event(AudioStop().event())


async def received(client: AsyncClient, last: str = "transcript-stop") -> list[Event]:
    """Receive until an event of a type, or the end."""
    events: list[Event] = []
    async with asyncio.timeout(60):
        while not events or events[-1].type != last:
            event = await client.read_event()
            if event is None:
                return events
            events.append(event)
    return events


def transcript(events: list[Event]) -> str:
    """Return the transcript, which the chunks have to be, too."""
    (text,) = [event.data["text"] for event in events if event.type == "transcript"]
    assert "".join(event.data["text"] for event in events if event.type == "transcript-chunk") == text
    assert [event.type for event in events if event.type != "transcript-chunk"] == [
        "transcript-start",
        "transcript",
        "transcript-stop",
    ]
    return str(text)


# --- with scripted recognizers ---


@pytest.mark.virtual_time
async def test_utterances_follow_each_other_on_one_connection() -> None:
    recognizer = ScriptedRecognizer(languages=("en-US", "de"))
    async with port(recognizer) as there, there.client() as client:
        await client.write_event(Describe().event())
        (described,) = await received(client, "info")
        assert Info.from_event(described).asr[0].models[0].languages == ["en-US", "de"]
        texts = []
        for language in ("en", "de"):
            await client.write_event(Ping("still there").event())
            assert (await received(client, "pong"))[0].data == {"text": "still there"}
            await say(client, *cut(clip_pcm("quick.wav"), 2048), language=language)
            texts.append(transcript(await received(client)))
    assert texts[0] == texts[1] == "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10"
    assert [stream.options.language_code for stream in recognizer.streams] == ["en-US", "de"]


@pytest.mark.virtual_time
async def test_transcripts_do_not_depend_on_cuts() -> None:
    async with port() as there, there.client() as client:
        texts = []
        for sizes in ([len(speech(16_000))], [2048], [1, 4097, 6], [640, 99_999]):
            await say(client, *cut(speech(16_000), *sizes))
            texts.append(transcript(await received(client)))
    assert len(texts[0].split()) > 10
    assert set(texts) == {texts[0]}


@pytest.mark.virtual_time
async def test_audio_of_other_rates_and_channels_is_recognized() -> None:
    async with port() as there, there.client() as client:
        await say(client, *cut(speech(48_000), 9600), rate=48_000)
        wide = transcript(await received(client))
        stereo = b"".join(sample * 2 for sample in cut(speech(8000), 2))
        await client.write_event(AudioStart(8000, 2, 2).event())
        await client.write_event(AudioChunk(8000, 2, 2, stereo).event())
        await client.write_event(AudioStop().event())
        assert len(transcript(await received(client)).split()) == pytest.approx(len(wide.split()), abs=2)


@pytest.mark.virtual_time
async def test_audio_without_a_start_is_an_utterance() -> None:
    async with port() as there, there.client() as client:
        await client.write_event(AudioChunk(16_000, 2, 1, clip_pcm("quick.wav")).event())
        await client.write_event(AudioStop().event())
        assert transcript(await received(client)).startswith("w0 w1")


@pytest.mark.virtual_time
async def test_an_utterance_without_audio_has_no_text() -> None:
    async with port() as there, there.client() as client:
        await say(client)
        assert transcript(await received(client)) == ""


@pytest.mark.virtual_time
async def test_text_comes_while_audio_is_sent() -> None:
    async with port() as there, there.client() as client:
        await client.write_event(AudioStart(16_000, 2, 1).event())
        for piece in cut(clip_pcm("quick.wav") + SILENCE, 2048):
            await client.write_event(AudioChunk(16_000, 2, 1, piece).event())
        started, chunk = await received(client, "transcript-chunk")
        assert (started.type, chunk.data["text"].split()[0]) == ("transcript-start", "w0")


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (Event("synthesize"), 'type is "synthesize", which is not served'),
        (Event("audio-stop"), "audio-stop came without an audio-start before it"),
        (Event("audio-start", HEADER | {"width": 1}), "width is 1; it must be one of 2, 3, 4 bytes"),
        (Event("transcribe", {"transcript_names": 1}), "transcript_names is 1; it must be a list of texts"),
    ],
)
async def test_after_a_wrong_event_the_connection_goes_on(sent: Event, text: str) -> None:
    async with port() as there, there.client() as client:
        await client.write_event(sent)
        (error,) = await received(client, "error")
        assert error.data["text"].startswith(text)
        await say(client, clip_pcm("quick.wav"))
        assert transcript(await received(client))


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("language", "rate", "code"), [("xx", 16_000, "invalid_config"), ("en", 4000, "invalid_config")]
)
async def test_an_utterance_that_is_refused_ends_the_connection(language: str, rate: int, code: str) -> None:
    async with port() as there, there.client() as client:
        await say(client, clip_pcm("quick.wav"), language=language, rate=rate)
        assert [event.data["code"] for event in await received(client)] == [code]


@pytest.mark.virtual_time
async def test_a_language_of_the_catalogue_is_refused_with_the_command_that_downloads_it() -> None:
    async with port() as there, there.client() as client:
        await say(client, clip_pcm("quick.wav"), language="fa")
        (error,) = await received(client)
    assert "; `niyosha models get fa` on the server downloads a model for it" in error.data["text"]


@pytest.mark.virtual_time
async def test_a_full_recognizer_refuses_the_utterance() -> None:
    full = RecognizerFullError("full", next(iter(Refusal)))
    async with port(ScriptedRecognizer(full=full)) as there, there.client() as client:
        await say(client, clip_pcm("quick.wav"))
        assert [event.data["code"] for event in await received(client)] == ["overloaded"]
        async with http_client(there.base) as http:
            assert 'protocol="wyoming"' in (await http.get("/metrics")).text


@pytest.mark.virtual_time
async def test_a_failing_recognizer_is_an_error_event() -> None:
    async with port(ScriptedRecognizer(script=[FailingStream])) as there, there.client() as client:
        await say(client, *cut(speech(16_000) * 3, 2048))
        assert (await received(client))[-1].data["code"] == "recognizer_failed"


@pytest.mark.virtual_time
@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b'{"type": "a", "payload_length": 99999999}\n'])
async def test_what_is_no_event_is_refused_and_the_connection_closed(sent: bytes) -> None:
    async with port() as there:
        reader, writer = await there.streams()
        writer.write(sent)
        answer = json.loads((await reader.read()).splitlines()[-1])
        assert answer["code"] in ("invalid_message", "too_large")
        writer.close()


async def test_a_refused_client_that_goes_on_sending_reads_why() -> None:
    """Over TCP, where a connection that is closed with bytes unread is reset."""
    async with port() as there:
        reader, writer = await there.streams()
        writer.write(b"GET / HTTP/1.1\r\n" + bytes(300_000))
        await writer.drain()
        assert json.loads((await reader.read()).splitlines()[-1])["code"] == "invalid_message"
        writer.close()


@pytest.mark.virtual_time
@pytest.mark.parametrize("sent", [b"", b'{"type": "pi'])
async def test_a_silent_client_is_disconnected(sent: bytes) -> None:
    began = asyncio.get_running_loop().time()
    async with port(settings=Settings(port=0, idle_limit_seconds=5)) as there:
        reader, writer = await there.streams()
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()
    assert asyncio.get_running_loop().time() - began >= 5


@pytest.mark.virtual_time
async def test_an_utterance_that_falls_silent_is_transcribed() -> None:
    async with port() as there, there.client() as client:
        await client.write_event(AudioStart(16_000, 2, 1).event())
        await client.write_event(AudioChunk(16_000, 2, 1, clip_pcm("quick.wav")).event())
        assert transcript(await received(client, "none"))


@pytest.mark.virtual_time
async def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    recognizer = ScriptedRecognizer()
    async with port(recognizer) as there:
        before = own_tasks()
        reader, writer = await there.streams()
        chunk = json.dumps({"type": "audio-chunk", "data": HEADER, "payload_length": 64_000}).encode()
        writer.write(chunk + b"\n" + clip_pcm("quick.wav")[:64_000])
        while not recognizer.admitted_owners:
            await asyncio.sleep(0.1)
        writer.transport.abort()
        while recognizer.admitted_owners:
            await asyncio.sleep(0.1)
        await asyncio.sleep(5)
        assert own_tasks() == before
        assert reader.at_eof()


@pytest.mark.virtual_time
async def test_a_stop_delivers_the_transcript() -> None:
    async with AsyncExitStack() as stack:
        listener, place = await stack.enter_async_context(listening())
        client = Port("", place).client()
        async with running_gateway(wyoming_listener=listener):
            await client.connect()
            await client.write_event(AudioStart(16_000, 2, 1).event())
            await client.write_event(AudioChunk(16_000, 2, 1, clip_pcm("quick.wav")).event())
            await client.write_event(Ping("received").event())
            await received(client, "pong")
            reading = asyncio.create_task(received(client, "none"))
        assert transcript(await reading)
        await client.disconnect()


@pytest.mark.virtual_time
async def test_connections_beyond_the_most_close_the_longest_idle_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.process.wyoming_server.MOST_CONNECTIONS", 2)
    async with port() as there:
        opened = [await there.streams() for _ in range(3)]
        assert await opened[0][0].read() == b""
        for reader, writer in opened[1:]:
            writer.write(b'{"type": "ping"}\n')
            assert b"pong" in await reader.readline()
        for _, writer in opened:
            writer.close()


@pytest.mark.virtual_time
async def test_while_all_connections_are_in_use_further_ones_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.process.wyoming_server.MOST_CONNECTIONS", 1)
    async with port() as there, there.client() as client:
        await client.write_event(AudioStart(16_000, 2, 1).event())
        await client.write_event(Ping().event())
        await received(client, "pong")
        reader, writer = await there.streams()
        assert await reader.read() == b""
        writer.close()
        await client.write_event(AudioStop().event())
        assert transcript(await received(client)) == ""


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(tiered(15, 300)))
async def test_hostile_bytes_are_answered_and_end(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    parts = [
        b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, "payload_length": 3}\nabc',
        b'{"type": "audio-start", "data_length": 2}\n{}',
        b'{"type": "audio-start", "data": {"rate": 8000, "width": 3, "channels": 2}}\n',
        b'{"type": "audio-stop"}\n',
        b'{"type": "transcribe", "data": {"language": 7}}\n',
        b'{"type": "transcribe", "data": {"transcript_names": ["a", "\\u0000"]}}\n',
        b'{"type": "describe"}\n',
        b'{"type": "x", "data_length": 9}\n',
        b"\n",
        dice.randbytes(20),
    ]
    async with port() as there:
        reader, writer = await there.streams()
        writer.write(b"".join(dice.choices(parts, [9, 3, 3, 3, 2, 2, 3, 1, 1, 1], k=12)))
        writer.write_eof()
        async with asyncio.timeout(600):
            await reader.read()
        writer.close()


# --- settings ---


async def test_what_is_said_belongs_to_the_owner_of_the_settings() -> None:
    settings = Settings(port=0, token_secret=SecretStr(SECRET), wyoming_port=0, wyoming_owner="home")
    async with port(settings=settings) as there, there.client() as client:
        await say(client, clip_pcm("quick.wav"))
        await received(client)
        counts = []
        for owner in ("home", "somebody"):
            async with http_client(there.base, headers=bearer(sub=owner)) as http:
                counts.append(len((await http.get("/v1/speech/transcriptions")).json()["transcriptions"]))
    assert counts == [1, 0]


async def test_a_port_that_is_taken_is_named() -> None:
    taken = unused_port()
    server = running(Settings(port=0, wyoming_port=taken), ScriptedRecognizer())
    problem = f"cannot serve Wyoming on 127.0.0.1 port {taken}: Address already in use"
    with socket.create_server(("127.0.0.1", taken)), pytest.raises(StartError, match=problem):
        await server.__aenter__()


# --- with the embedded engine ---


async def test_home_assistant_gets_the_words_of_the_live_protocol(server: str, wyoming_port: int) -> None:
    sound = SILENCE + clip_pcm("quick.wav") + SILENCE + clip_pcm("harbour.wav") + SILENCE
    usual = await converse(server, *cut(sound, 2048), "close", query="languageCode=en")
    async with AsyncTcpClient("127.0.0.1", wyoming_port) as client:
        await say(client, *cut(sound, 2048), language="en")
        events = await received(client)
    text = transcript(events)
    assert text == usual.transcript
    assert words_of(text) == words_of(clip_texts()["quick.wav"]) + words_of(clip_texts()["harbour.wav"])
