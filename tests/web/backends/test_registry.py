"""A further backend is an entry in a table: it is chosen by the settings, served, and examined as the others are."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from pydantic import Field
from rich.console import Console

from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.support.gateway import held_while_sqlite_works
from tests.web.support.sockets import converse, http_client
from tests.web.transport.serving import listening
from web.backends import registry
from web.backends.backend import Backend
from web.backends.embedded import backend as embedded
from web.backends.registry import chosen_backend
from web.backends.riva import backend as riva
from web.backends.riva.settings import RivaSettings
from web.cli.doctor import examine_everything
from web.process.listening import StartError
from web.process.serve import running
from web.section import Section, named
from web.settings.settings import Settings, SettingsError, read_settings


class CountingSettings(Section):
    """Where the counting backend is, and its key."""

    model_config = named("counting_")
    secret_fields = frozenset({"key"})

    uri: Annotated[str, Field(min_length=3)] | None = None
    key: Annotated[str, Field(max_length=10)] = ""


class CountingBackend:
    """A backend in this process: it says a word for each quarter of a second, once it has started."""

    SETTINGS = CountingSettings

    def __init__(self, *, starts: bool = True) -> None:
        self.recognizer = ScriptedRecognizer(is_ready=False)
        self.is_running = False
        self.gave_up = asyncio.Event()
        self._starts = starts

    def is_chosen(self, settings: CountingSettings) -> bool:
        return settings.uri is not None

    @asynccontextmanager
    async def running(self, _settings: CountingSettings, *, watches: bool = True) -> AsyncIterator[Backend]:
        del watches
        start = asyncio.get_running_loop().call_later(1.0, self._start)
        self.is_running = True
        try:
            yield Backend(recognizer=self.recognizer, gave_up=self.gave_up, failure="the counting backend cannot start")
        finally:
            start.cancel()
            self.is_running = False

    def parts(self, settings: CountingSettings) -> Mapping[str, CountingSettings]:
        return {"The counting backend": settings}

    def _start(self) -> None:
        if self._starts:
            self.recognizer.is_ready = True
        else:
            self.gave_up.set()


def registered(monkeypatch: pytest.MonkeyPatch, backend: CountingBackend) -> CountingBackend:
    monkeypatch.setenv("NIYOSHA_COUNTING_URI", "here")
    monkeypatch.setattr(registry, "BACKENDS", {"counting": backend, **registry.BACKENDS})
    return backend


def test_the_settings_choose() -> None:
    assert chosen_backend(Settings().backends).kind is embedded
    assert chosen_backend(Settings(riva_uri="a:1,b:2").backends).kind is riva


def test_each_riva_server_is_a_part_with_the_same_settings() -> None:
    parts = riva.parts(RivaSettings(uri="a:1,b:2", tls=True))
    assert list(parts) == ["Riva at a:1", "Riva at b:2"]
    for part, uri in zip(parts.values(), ("a:1", "b:2"), strict=True):
        assert part == RivaSettings(uri=uri, tls=True)


def test_a_registered_backend_has_its_section_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, CountingBackend())
    settings = read_settings({"counting_key": "secret"})
    assert settings.backends["counting"] == CountingSettings(uri="here", key="secret")
    assert settings.secrets == {"secret"}
    with pytest.raises(SettingsError) as caught:
        read_settings({"counting_uri": "a", "counting_key": "canary-canary", "counting_port": 1})
    assert str(caught.value) == (
        "NIYOSHA_COUNTING_URI is 'a': String should have at least 3 characters; "
        "NIYOSHA_COUNTING_KEY: String should have at most 10 characters; "
        "NIYOSHA_COUNTING_PORT is 1: Extra inputs are not permitted"
    )


@pytest.mark.virtual_time
async def test_a_registered_backend_recognizes_through_the_whole_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = registered(monkeypatch, CountingBackend())
    began = asyncio.get_running_loop().time()
    with held_while_sqlite_works():
        async with (
            listening() as (listener, _),
            running(Settings(port=0), listener=listener) as server,
            http_client(server.url) as http,
        ):
            # It is ready as soon as the backend is, and no later.
            assert asyncio.get_running_loop().time() - began == pytest.approx(1.0, abs=0.01)
            assert server.is_ready
            assert (await http.get("/v1/speech/languages")).json() == {"languages": ["en-US"]}
            assert (await http.get("/readyz")).json() == {"status": "ready"}
            conversation = await converse(server.url, clip_pcm("quick.wav"), "close")
            assert "niyosha_recognizer_ready 1.0" in (await http.get("/metrics")).text
        assert conversation.transcript.startswith("w0 w1")
        assert len(backend.recognizer.streams) == 1
        assert not backend.is_running


@pytest.mark.virtual_time
async def test_a_backend_that_can_never_start_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = registered(monkeypatch, CountingBackend(starts=False))
    with held_while_sqlite_works():
        async with listening() as (listener, _):
            with pytest.raises(StartError, match=r"^the counting backend cannot start$"):
                async with running(Settings(port=0), listener=listener):
                    pass
    assert not backend.is_running


@pytest.mark.virtual_time
@pytest.mark.parametrize("starts", [True, False])
async def test_a_registered_backend_is_examined(monkeypatch: pytest.MonkeyPatch, starts: bool) -> None:
    registered(monkeypatch, CountingBackend(starts=starts))
    printed = io.StringIO()
    works = await examine_everything(Settings(), None, Console(file=printed, width=200, highlight=False))
    lines = printed.getvalue().splitlines()
    assert works is starts
    assert lines[0] == "The counting backend"
    if starts:
        assert lines[1] == "  ok     language     en is recognized as en-US"
        assert lines[-1] == "Live recognition works."
    else:
        assert lines[1] == "  fault  health       the recognizer is not ready within 3 s"
