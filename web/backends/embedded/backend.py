"""Run the recognizer of the embedded engine."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial

from stream.extras import ENGINE
from stream.recognition.check_results import CheckResults, failed, passed
from stream.riva import RivaOptions, RivaRecognizer
from stream.waiting import is_first
from web.backends.backend import Backend, Host
from web.backends.embedded.process import EngineProcess, engine_process
from web.backends.embedded.settings import EngineSettings
from web.backends.riva.backend import checked, connected
from web.section import SettingsError
from web.workers.share import Share

# Loading a large model takes a while. One that is downloaded first may take longer; the gateway then serves as soon as
# it is there.
READY_SECONDS = 60.0
_KEEPALIVE_SECONDS = 20.0

SETTINGS = EngineSettings


def is_chosen(_settings: EngineSettings) -> bool:
    """Whether the settings want it, which they always do: it needs none."""
    return True


def parts(settings: EngineSettings) -> Mapping[str, EngineSettings]:
    """Return the one engine."""
    return {"The embedded engine, as NIYOSHA_RIVA_URI names no Riva server": settings}


@asynccontextmanager
async def running(settings: EngineSettings, *, watches: bool = True) -> AsyncIterator[Backend]:
    """Run the engine while the context lasts; it is watched in any case, as its process is."""
    async with hosted(settings) as host, connected_backend(host) as backend:
        yield backend


@asynccontextmanager
async def hosted(settings: EngineSettings) -> AsyncIterator[Host]:
    """Run the engine of all workers while the context lasts; raises SettingsError if it is not installed."""
    if ENGINE.missing:
        raise SettingsError(f"NIYOSHA_RIVA_URI names no Riva server, and {ENGINE.missing}")
    async with engine_process(settings) as engine:
        yield host_of(engine)


def joined(_settings: EngineSettings, host: Host, _share: Share) -> AbstractAsyncContextManager[Backend]:
    """Use the engine that the parent runs, which shares its places out itself."""
    return connected_backend(host)


def host_of(engine: EngineProcess) -> Host:
    """Return what is to be known of an engine that runs."""
    return Host(
        address=engine.address,
        is_answering=lambda: engine.supervisor.is_answering,
        changes=engine.changes,
        ready_seconds=READY_SECONDS,
        gave_up=engine.supervisor.gave_up,
        failure="the embedded engine cannot start; it says why above",
        drop=engine.supervisor.drop,
    )


@asynccontextmanager
async def connected_backend(host: Host) -> AsyncIterator[Backend]:
    """Keep a connection to an engine while the context lasts."""
    options = RivaOptions(
        uris=(host.address or "",),
        keepalive_seconds=_KEEPALIVE_SECONDS,
        label="embedded",
        is_answering=host.is_answering,
    )
    async with connected(options, changes=host.changes) as recognizer:
        yield Backend(
            recognizer=recognizer,
            ready_seconds=host.ready_seconds,
            gave_up=host.gave_up,
            failure=host.failure,
            drop=host.drop,
            check=partial(_checked, host, options, recognizer),
        )


async def _checked(host: Host, options: RivaOptions, recognizer: RivaRecognizer, now: float) -> CheckResults:
    began = asyncio.get_running_loop().time()
    if not await is_first(recognizer.ready(), host.gave_up.wait(), seconds=READY_SECONDS):
        advice = "it says why above; NIYOSHA_MODEL names the model that it loads"
        yield failed("engine", "it does not start", advice)
        return
    yield passed("engine", f"ready {asyncio.get_running_loop().time() - began:.1f} s after its start")
    async with aclosing(checked(options, recognizer, now)) as results:
        async for result in results:
            yield result
