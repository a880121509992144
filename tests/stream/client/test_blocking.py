"""The client without asyncio, against the real server."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stream.client.blocking import connect, rest_client, transcribe
from stream.client.channels import Connected, Deleted, Line
from stream.client.errors import RefusedError, UnreachableError
from stream.protocols.farsava.messages import Done
from tests.support.places import CLIPS
from tests.support.sounds import clip_pcm, clip_texts, words_of

PCM = clip_pcm("quick.wav") + bytes(32_000)
SPOKEN = words_of(clip_texts()["quick.wav"])


def pieces() -> Iterator[bytes]:
    for start in range(0, len(PCM), 6400):
        yield PCM[start : start + 6400]


def test_chunks_become_text(server: str) -> None:
    with connect(server, config={"languageCode": "en"}) as live:
        messages = list(transcribe(live, pieces()))
    assert isinstance(messages[-1], Done)
    assert words_of(messages[-1].results[0].transcript) == SPOKEN


def test_one_thread_sends_while_another_receives(server: str) -> None:
    with connect(server) as live:
        live.configure({"languageCode": "en"})

        def send() -> None:
            live.send(PCM)
            live.finish()

        sender = threading.Thread(target=send)
        sender.start()
        messages = list(live)
        sender.join()
    assert isinstance(messages[-1], Done)
    assert words_of(messages[-1].results[0].transcript) == SPOKEN


def test_an_exception_of_the_chunks_is_the_callers(server: str) -> None:
    def broken() -> Iterator[bytes]:
        yield PCM[:6400]
        raise OSError("the microphone is gone")

    with connect(server) as live, pytest.raises(OSError, match="the microphone is gone"):
        list(transcribe(live, broken()))


def test_a_caller_may_leave_early(server: str) -> None:
    with connect(server) as live, closing(transcribe(live, pieces())) as messages:
        next(messages)


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(UnreachableError, match="nothing listens there"), connect("http://127.0.0.1:1"):
        raise AssertionError("it was opened")


def test_a_recording_is_followed_written_and_deleted(server: str) -> None:
    path: Path = CLIPS / "quick.wav"
    with rest_client(server) as rest:
        *_, last = rest.recognize_file(path)
        assert last.is_done
        assert words_of(rest.written(last.transcription_id, "txt")) == SPOKEN
        assert rest.state(last.transcription_id).is_done
        rest.delete(last.transcription_id)
        with pytest.raises(RefusedError):
            rest.state(last.transcription_id)
        with pytest.raises(RefusedError):
            list(rest.recognize_uri("http://127.0.0.1:1/a.wav"))


def test_a_channel_is_made_published_read_and_deleted(server: str) -> None:
    name = f"c-{uuid.uuid4().hex}"
    with rest_client(server) as rest, rest_client(server) as other:
        rest.create_channel(name, is_public=True, glossary=["fox"])
        assert name in [channel.name for channel in rest.list_channels()]
        with connect(server, config={"channel": name}) as live:
            list(transcribe(live, pieces()))
        with closing(rest.read_channel(name)) as events:
            assert isinstance(next(events), Connected)
            line = next(event for event in events if isinstance(event, Line))
            assert words_of(line.text) == SPOKEN
            other.correct_line(name, line.number, is_hidden=True)
            assert next(event for event in events if isinstance(event, Line)).is_hidden
            other.delete_channel(name)
            assert list(events)[-1] == Deleted()
