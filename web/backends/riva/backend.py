"""Run the recognizer of the Riva servers that the settings name."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from functools import partial

from stream.recognition.check_results import CheckResults, Verdict, failed
from stream.recognition.recognizer import RecognizerError
from stream.riva import RivaOptions, RivaRecognizer
from stream.riva.diagnostics.checks import check_server
from stream.waiting import Changes
from web.backends.backend import Backend, Host
from web.backends.riva.options import riva_options
from web.backends.riva.settings import RivaSettings
from web.tasks import running_task
from web.workers.share import Share

SETTINGS = RivaSettings


def is_chosen(settings: RivaSettings) -> bool:
    """Whether the settings name Riva servers."""
    return settings.uri is not None


def parts(settings: RivaSettings) -> Mapping[str, RivaSettings]:
    """Return settings for each server alone."""
    return {
        f"Riva at {address.uri}": settings.model_copy(update={"uri": address.uri}) for address in settings.addresses
    }


@asynccontextmanager
async def running(settings: RivaSettings, *, watches: bool = True) -> AsyncIterator[Backend]:
    """Keep connections to the servers while the context lasts; raises SettingsError."""
    options = riva_options(settings)
    async with connected(options, watches=watches) as recognizer:
        yield Backend(recognizer=recognizer, check=partial(checked, options, recognizer))


@asynccontextmanager
async def hosted(_settings: RivaSettings) -> AsyncIterator[Host]:
    """Host nothing: each worker connects to the servers by itself."""
    yield Host()


def joined(settings: RivaSettings, _host: Host, share: Share) -> AbstractAsyncContextManager[Backend]:
    """Keep connections of a worker, which gives each server its share of the live streams."""
    sessions = None if settings.sessions is None else share.limit(settings.sessions)
    return running(settings.model_copy(update={"sessions": sessions}))


@asynccontextmanager
async def connected(
    options: RivaOptions, *, watches: bool = True, changes: Changes | None = None
) -> AsyncIterator[RivaRecognizer]:
    """Keep connections while the context lasts; unless it `watches`, servers are found by `refresh` only."""
    recognizer = RivaRecognizer(options, changes=changes)
    try:
        async with running_task(recognizer.watch()) if watches else nullcontext():
            yield recognizer
    finally:
        await recognizer.close()


async def checked(options: RivaOptions, recognizer: RivaRecognizer, now: float) -> CheckResults:
    """Yield what stands between this process and the one server of `options`, then connect to it."""
    async with aclosing(check_server(options, options.uris[0], now)) as results:
        async for result in results:
            yield result
            if result.verdict is Verdict.FAULT:
                return
    try:
        await recognizer.refresh()
    except RecognizerError as error:
        yield failed("health", f"the server is gone again: {error}", "look into its log")
