"""Write an event of the log as a line for people, who read it on a terminal."""

import json
from datetime import datetime

from structlog.typing import EventDict, WrappedLogger

_USUAL_LEVEL = "info"


def in_words(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Return the local time, the level unless it is the usual one, the name of the event in words, and its fields."""
    fields = dict(event)
    moment = datetime.fromisoformat(str(fields.pop("timestamp"))).astimezone()
    level, name = str(fields.pop("level", _USUAL_LEVEL)), str(fields.pop("event", ""))
    words = name.replace("_", " ") if name.isidentifier() else _escaped(name)
    parts = [f"{moment:%H:%M:%S}", *([] if level == _USUAL_LEVEL else [f"{level}:"]), words]
    return " ".join([*parts, *(f"{key}={_shown(value)}" for key, value in fields.items())])


def _shown(value: object) -> str:
    if isinstance(value, str) and value.isalnum():
        return value
    return json.dumps(value, default=repr)


def _escaped(text: str) -> str:
    """Escape control characters, which could command the terminal."""
    return json.dumps(text, ensure_ascii=True)[1:-1]
