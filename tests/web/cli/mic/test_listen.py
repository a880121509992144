"""`niyosha mic` on a terminal, through a pipe, and with servers that end it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from stream.backoff import Backoff
from stream.protocols.farsava.messages import DoneMessage, WarningMessage
from tests.support.processes import STUCK_SECONDS, started, typed
from tests.support.sounds import clip_texts, words_of
from tests.support.terminal import CTRL_C, on_terminal
from web.cli.console import standard_error
from web.cli.mic.listen import Listening
from web.cli.mic.microphone import Device, Microphone
from web.cli.servers import ServerOptions

Handler = Callable[[ServerConnection], Awaitable[None]]
QUICK = clip_texts()["quick.wav"]


def test_captions_grow_and_settle_on_a_terminal(server: str, fake_microphone: dict[str, str]) -> None:
    address = server.removeprefix("http://")
    with on_terminal("mic", "--server", address, "--language", "en", **fake_microphone) as terminal:
        terminal.wait_for(" listening to Fake Mic; Ctrl-C ends")
        terminal.wait_for("lazy dog.\r\n")
        terminal.press(CTRL_C)
        assert terminal.wait() == 0
    assert "en-US ░" in terminal.shown
    assert "Traceback" not in terminal.shown
    # The cursor is visible again, and nothing is left below the text.
    assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l")


def test_a_pipe_gets_lines_and_nothing_else(server: str, fake_microphone: dict[str, str]) -> None:
    with started("mic", "--server", server, **fake_microphone) as (process, line):
        process.send_signal(signal.SIGTERM)
        assert process.wait(STUCK_SECONDS) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert words_of(line) == words_of(QUICK)


@pytest.mark.usefixtures("fake_microphone")
def test_microphones_are_listed() -> None:
    listed = typed("mic", "--devices")
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "Fake Mic\nLine in\n", "")


@pytest.mark.usefixtures("fake_microphone")
def test_a_microphone_or_a_server_that_is_not_there_is_a_sentence() -> None:
    for arguments, sentence in (
        (["--device", "nope"], "no microphone has 'nope' in its name; known are: Fake Mic, Line in\n"),
        (
            ["--server", "127.0.0.1:1"],
            "cannot reach http://127.0.0.1:1: nothing listens there; start a server there with `niyosha serve`, "
            "or leave out --server to have one started\n",
        ),
    ):
        ended = typed("mic", *arguments)
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", sentence)


# --- servers that end it ---

END = msgspec.json.encode(
    DoneMessage(
        type="done",
        sequence=1,
        transcription_id="id",
        duration=1.0,
        inference_time=0.1,
        status="done",
        results=[],
        received_ms=0.0,
        recognized_ms=0.0,
        skipped_ms=0.0,
        lost_ms=0.0,
    )
).decode()


WARNING = msgspec.json.encode(
    WarningMessage(type="warning", sequence=1, transcription_id="id", code="slow", detail="it is slow")
).decode()


async def ended_by(handler: Handler, *, stops: int = 0, connections: int = 1 << 30) -> int:
    """Listen to a server that is gone after so many connections, and return the exit code.

    Once there is sound, ask so many times to stop.
    """
    microphone = Microphone(Device(index=0, name="Mic", rate_hertz=16_000))
    microphone.receive(bytes(3_200))
    is_heard = asyncio.Event()

    async def heard(connection: ServerConnection) -> None:
        nonlocal connections
        connections -= 1
        if connections == 0:
            server.close(close_connections=False)
        if not is_heard.is_set():
            await connection.recv()
        is_heard.set()
        await handler(connection)

    async with serve(heard, "127.0.0.1", 0, close_timeout=0.1) as server:
        (listener,) = server.sockets
        options = ServerOptions(server=f"http://127.0.0.1:{listener.getsockname()[1]}")
        listening = Listening(options, str(options.server), microphone, standard_error())
        running = asyncio.create_task(listening.run())
        if stops:
            await is_heard.wait()
        for _ in range(stops):
            listening.stop()
        return await running


async def is_silent(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def test_a_second_ctrl_c_waits_for_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert await ended_by(is_silent, stops=2) == 130
    assert capsys.readouterr().err == "the server did not finish in time; the last words may be missing\n"


async def test_a_server_that_does_not_finish_keeps_nobody(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.cli.mic.listen._FINISH_SECONDS", 0.01)
    assert await ended_by(is_silent, stops=1) == 130
    assert capsys.readouterr().err == "the server did not finish in time; the last words may be missing\n"


async def test_a_connection_that_breaks_off_is_replaced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.cli.mic.listen._BACKOFF", Backoff(first_seconds=0.0, longest_seconds=0.0))
    connections = 0

    async def handler(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await connection.send(WARNING)
        if connections < 3:
            connection.transport.abort()
            return
        os.kill(os.getpid(), signal.SIGINT)
        while await connection.recv() != "close":
            pass
        await connection.send(END)

    assert await ended_by(handler) == 0
    lost = "the connection ended before the result: it broke off; connecting again\n"
    assert capsys.readouterr().err == lost * 2


async def test_a_server_that_stays_away_ends_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.cli.mic.listen._PATIENCE_SECONDS", 0.0)

    async def breaks_off(connection: ServerConnection) -> None:
        await connection.send(WARNING)
        connection.transport.abort()

    monkeypatch.setattr("web.cli.mic.listen._BACKOFF", Backoff(first_seconds=0.01, longest_seconds=0.01))
    assert await ended_by(breaks_off, connections=1) == 1
    first, last = capsys.readouterr().err.splitlines()
    assert first == "the connection ended before the result: it broke off; connecting again"
    assert "nothing listens there" in last


async def test_a_server_that_breaks_off_before_it_answers_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    async def breaks_off(connection: ServerConnection) -> None:
        connection.transport.abort()

    assert await ended_by(breaks_off) == 1
    assert capsys.readouterr().err == "the connection ended before the result: it broke off\n"


async def test_a_server_that_ends_each_connection_at_once_is_not_asked_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await ended_by(lambda connection: connection.send(END)) == 1
    assert capsys.readouterr().err == "the server ended the connection; it takes no more sound\n"


async def test_a_connection_that_ends_at_its_limit_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.cli.mic.listen._SHORTEST_CONNECTION_SECONDS", 0.0)
    connections: list[str] = []
    microphone = Microphone(Device(index=0, name="Mic", rate_hertz=16_000))

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        connections.append(connection.request.path)
        if len(connections) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            assert await connection.recv() == "close"
        await connection.send(END)

    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1) as server:
        (listener,) = server.sockets
        options = ServerOptions(server=f"http://127.0.0.1:{listener.getsockname()[1]}", phrases=("lamp",))
        assert await Listening(options, str(options.server), microphone, standard_error()).run() == 0
    assert len(connections) == 2
    assert "phrases=lamp" in connections[0]
