"""Capture the log of this process as the server configures it, and restore it after a test."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog

from web.observability.logs import configure_logs, hide


class Captured:
    """What was written to the log."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every line as the event that it is; fails for a line that is none."""
        assert self.text.isascii()
        assert not self.text or self.text.endswith("\n")
        return [json.loads(line) for line in self.text.split("\n")[:-1]]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]


@contextmanager
def captured(level: int = logging.DEBUG) -> Iterator[Captured]:
    """Configure the log, and put everything back in the end."""
    root, uvicorn_log, gathered = logging.getLogger(), logging.getLogger("uvicorn.error"), Captured()
    # basicConfig closes the handlers that it finds, and they are pytest's.
    handlers, root.handlers = root.handlers, []
    before = root.level, uvicorn_log.level, list(uvicorn_log.filters), structlog.get_config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", gathered.stream)
        configure_logs(level)
        try:
            yield gathered
        finally:
            logging.captureWarnings(capture=False)
            hide(())
            root.handlers = handlers
            root.setLevel(before[0])
            uvicorn_log.setLevel(before[1])
            uvicorn_log.filters = before[2]
            structlog.configure(**before[3])
