"""Owns the log: a line of JSON per event on standard error, ours and the libraries'; never a token or a transcript."""

import logging
import os
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from web.observability.exceptions import told_faults
from web.observability.redaction import Redactor

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class _Hidden:
    """What is hidden in this process: tokens always, the secrets of its settings once they are read."""

    redactor = Redactor()


def hide(secrets: Iterable[str]) -> None:
    """Let nothing that is logged from now on hold one of these."""
    _Hidden.redactor = Redactor(frozenset(secrets))


def configure_logs(level: int = logging.INFO) -> None:
    """Set up structlog, and let the libraries below speak only of trouble, in the same lines."""
    # gRPC's core writes to standard error past every logger, unless it is told so before it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_faults,
    ]
    last: list[Processor] = [_redact, structlog.processors.JSONRenderer()]
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
    # At INFO uvicorn prints the query string of a handshake, and the token with it.
    uvicorn_log = logging.getLogger("uvicorn.error")
    uvicorn_log.setLevel(logging.WARNING)
    uvicorn_log.addFilter(_is_no_false_alarm)


class _LineHandler(logging.StreamHandler[TextIO]):
    """Writes records; of one that cannot be written it says only that."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        structlog.get_logger().error("record_not_written", logger=record.name, line=record.lineno)


def _tell_faults(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put the fault of an event into words of our own; a traceback as text has lines, and values in them."""
    error = _error(event.pop("exc_info", None))
    event.pop("stack_info", None)
    if error is not None:
        event["faults"] = told_faults(error)
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
    """Cut off what asyncio appends: its tasks as text, with the words of what they raised."""
    if event.get("logger") == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0].partition("<")[0].rstrip()
    return event


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    redactor = _Hidden.redactor
    return {redactor.text(str(name)): redactor.field(str(name), value) for name, value in event.items()}


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Drop what uvicorn says of a handshake that was refused on purpose."""
    return record.getMessage() != "ASGI callable returned without completing handshake."
