"""What a backend is: a way to run a recognizer, and what a process that runs one has to know of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from stream.recognition.check_results import CheckResult, CheckResults
from stream.recognition.recognizer import Recognizer
from stream.waiting import Changes, is_first
from web.section import Section
from web.workers.share import Share

SettingsT = TypeVar("SettingsT", bound=Section)
# A server is there or is not.
READY_SECONDS = 3.0


async def _no_checks(_now: float) -> AsyncGenerator[CheckResult, None]:
    """Yield no results: the backend has no servers to check."""
    results: tuple[CheckResult, ...] = ()
    for result in results:
        yield result


def _no_process() -> None:
    """Do nothing when the process is to be ended: the backend has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A recognizer that runs.

    `ready_seconds` is how long a start waits for it. `gave_up` is set once it can never be ready, and `failure` says so
    in a sentence. `drop` ends its process at once. `check` yields what stands between this process and its servers, at
    a time in seconds since 1970; its first fault is its last result.
    """

    recognizer: Recognizer
    ready_seconds: float = READY_SECONDS
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str = "the recognizer cannot start"
    drop: Callable[[], None] = _no_process
    check: Callable[[float], CheckResults] = _no_checks

    async def is_ready_within(self, seconds: float | None) -> bool:
        """Wait until the recognizer is ready, for `seconds` at most; return early, with False, once it gave up."""
        return await is_first(self.recognizer.ready(), self.gave_up.wait(), seconds=seconds)


def _always() -> bool:
    """Say of a backend without a process that it is not known to be down."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the workers of one server share of a backend: nothing where each connects to servers by itself.

    `address` is where they connect, `is_answering` what `changes` signals the changes of. `ready_seconds`, `gave_up`,
    `failure` and `drop` are those of a `Backend`.
    """

    address: str | None = None
    is_answering: Callable[[], bool] = _always
    changes: Changes = field(default_factory=Changes)
    ready_seconds: float = READY_SECONDS
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str = "the recognizer cannot start"
    drop: Callable[[], None] = _no_process


class BackendKind(Protocol[SettingsT]):
    """A kind of backend, such as a package of this room: its settings choose it, and it runs with them."""

    SETTINGS: type[SettingsT]
    """The class of its settings, `Section` itself if it has none."""

    def is_chosen(self, settings: SettingsT, /) -> bool:
        """Whether these settings want it."""
        ...

    def running(self, settings: SettingsT, /, *, watches: bool = True) -> AbstractAsyncContextManager[Backend]:
        """Run it while the context lasts; raises SettingsError.

        Unless it `watches` its servers, their state changes only with `Backend.check`.
        """
        ...

    def hosted(self, settings: SettingsT, /) -> AbstractAsyncContextManager[Host]:
        """Run what the workers of one server share while the context lasts; raises SettingsError."""
        ...

    def joined(self, settings: SettingsT, host: Host, share: Share, /) -> AbstractAsyncContextManager[Backend]:
        """Run it in a worker, with its share, beside what its parent hosts; raises SettingsError."""
        ...

    def parts(self, settings: SettingsT, /) -> Mapping[str, SettingsT]:
        """Return what is checked one by one, such as each server: its title, and the settings that run it alone."""
        ...
