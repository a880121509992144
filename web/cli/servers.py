"""Find the server of a command, or start one, and word what can be done about its errors."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

import msgspec
from rich.console import Console

from stream.client import LiveError, RefusedError, UnreachableError
from stream.configuration.config import SessionConfig
from stream.errors import ClientError
from stream.paths import HEALTH_PATH, LOCAL_URL
from web.cli.console import report

HEALTH_SECONDS = 1.0
HEALTH_BYTES = 64 * 1024

StartServer = Callable[[], AbstractAsyncContextManager[str]]
"""Runs a server while the context lasts, and gives its base URL; raises ServerStartError."""


class ServerStartError(Exception):
    """A server could not be started for the command; `str()` is the reason and what to do."""


class OptionError(Exception):
    """An option cannot be used; `str()` names it, its value, and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Which server a command uses, and what it asks of it; `phrases` are words to expect.

    Without `server`, the one at `local_server` is used if it is running. `needs_own_server` if none that is running
    will do.
    """

    server: str | None = None
    token: str | None = None
    language: str | None = None
    asr_model: str | None = None
    phrases: tuple[str, ...] = ()
    needs_own_server: bool = False
    local_server: str = LOCAL_URL

    @property
    def config(self) -> dict[str, object]:
        """The keys of the configuration that the options set."""
        keys = {"languageCode": self.language, "asrModel": self.asr_model, "phrases": list(self.phrases) or None}
        return {key: value for key, value in keys.items() if value is not None}


@asynccontextmanager
async def server_for(options: ServerOptions, start_server: StartServer, console: Console) -> AsyncIterator[str]:
    """Give the base URL of a server while the context lasts; raises ServerStartError."""
    if options.server is not None:
        yield options.server
    elif options.needs_own_server:
        async with start_server() as started:
            yield started
    elif await asyncio.to_thread(_is_running, options.local_server):
        yield options.local_server
    else:
        report(console, f"no server at {options.local_server}; starting one for this command")
        async with start_server() as started:
            yield started


def _is_running(server: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(server + HEALTH_PATH, timeout=HEALTH_SECONDS) as answer:
            health = msgspec.json.decode(answer.read(HEALTH_BYTES), type=_Health)
    except (OSError, HTTPException, msgspec.DecodeError, UnicodeDecodeError):
        return False
    return health.status == "Running"


class _Health(msgspec.Struct):
    status: str


def advised(failed: LiveError, options: ServerOptions) -> str:
    """Return the sentence of an error, with what the user of this command can do about it."""
    match failed:
        case UnreachableError(reason=reason) if "CERTIFICATE_VERIFY_FAILED" in reason:
            return f"{failed}; if the server made its certificate itself, set SSL_CERT_FILE to a copy of that file"
        case UnreachableError() if options.server is not None:
            return f"{failed}; start a server there with `niyosha serve`, or leave out --server to have one started"
        case RefusedError(status=HTTPStatus.UNAUTHORIZED):
            return f"{failed}; give a valid token with --token"
        case _:
            return str(failed)


def phrases_in(path: Path | None) -> tuple[str, ...]:
    """Read the phrases of a file, one a line, without empty lines; raises OptionError."""
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as failed:
        raise OptionError(f"--phrases {path} cannot be read: {failed.strerror or failed}") from failed
    except UnicodeDecodeError as undecodable:
        raise OptionError(f"--phrases {path} is no text in UTF-8; write one phrase a line") from undecodable
    phrases = [line.strip() for line in lines if line.strip()]
    try:
        # The server would refuse the same phrases, with the same sentence but without the name of the file.
        return SessionConfig().with_message({"phrases": phrases}, audio_began=False).phrases
    except ClientError as refused:
        raise OptionError(f"--phrases {path} is refused: {refused.detail}") from None
