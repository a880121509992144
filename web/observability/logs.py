"""The log: one line for each event, ours and the libraries', on standard error; no tokens, no transcripts.

The lines are JSON for programs, and words where standard error is a terminal.
"""

import logging
import os
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from web.observability.exceptions import described
from web.observability.lines import in_words
from web.observability.redaction import Redactor

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class _Redaction:
    """The redactor of this process: for tokens, and for the secrets of the settings once they are read."""

    redactor = Redactor()


def enabled_level() -> int:
    """Return the lowest level that is logged, as `configure_logs` takes it."""
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
    log = structlog.get_logger()
    return next((level for level in levels if log.is_enabled_for(level)), logging.CRITICAL)


def hide(secrets: Iterable[str]) -> None:
    """Redact these secrets in everything that is logged from now on."""
    _Redaction.redactor = Redactor(frozenset(secrets))


def configure_logs(level: int = logging.INFO, *, worker: int | None = None) -> None:
    """Configure structlog, and logging with the warnings of the libraries in the same format.

    One of several workers has its number in each line.
    """
    # gRPC's core writes to standard error itself unless this is set before it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _describe_exception,
    ]
    if worker is not None:
        shared.insert(0, _numbered(worker))
    render: Processor = in_words if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    last: list[Processor] = [_redact, render]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = _LineHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared, _first_line_of_asyncio],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # At INFO uvicorn logs the query string of a handshake with its token.
    uvicorn_log = logging.getLogger("uvicorn.error")
    uvicorn_log.setLevel(logging.WARNING)
    uvicorn_log.addFilter(_is_not_false_alarm)


def _numbered(worker: int) -> Processor:
    """Return what adds the number of a worker to each event."""

    def numbered(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**event, "worker": worker}

    return numbered


class _LineHandler(logging.StreamHandler[TextIO]):
    """Writes records; for one that cannot be written it logs where it came from."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        structlog.get_logger().error("record_not_written", logger=record.name, line=record.lineno)


def _describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the exception of an event with our description: a traceback as text holds source lines and values."""
    error = _error(event.pop("exc_info", None))
    event.pop("stack_info", None)
    if error is not None:
        event["faults"] = described(error)
    return event


def _error(exc_info: bool | BaseException | _ExcInfo | None) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case None | False | (None, _, _):
            return None
        case _:
            return sys.exc_info()[1]


def _first_line_of_asyncio(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Cut off the representations of tasks that asyncio appends, which hold the messages of their exceptions."""
    if event.get("logger") == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0].partition("<")[0].rstrip()
    return event


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    redactor = _Redaction.redactor
    return {redactor.text(str(name)): redactor.field(str(name), value) for name, value in event.items()}


def _is_not_false_alarm(record: logging.LogRecord) -> bool:
    """Drop the error that uvicorn logs for a handshake that was refused on purpose."""
    return record.getMessage() != "ASGI callable returned without completing handshake."
