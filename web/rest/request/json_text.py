"""The text of a JSON body, taken as it arrives: its values are counted, and one long text in it is kept apart."""

import json
import re
import uuid
from collections.abc import Callable

from stream.errors import ClientError, Problem

STEP_BYTES = 1 << 12
"""What is taken at once: at most some milliseconds of work."""
LONG_BYTES = 1 << 14
"""Of the texts in a body only a recording is longer, and only one text may be."""
# The parser needs 10 ms for so many; a language model has ten thousand phrases, each with a comma.
_MOST_VALUES = 25_000
_MOST_KEPT_BYTES = 4 << 20
# More marks than these in a step take more than a tenth of a millisecond.
_MOST_FREE_MARKS = 64
_MARKS = (b'"', b"\\", b"=", b",", b":", b"[", b"{")
_VALUE_MARKS = (b",", b":", b"[", b"{")
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\u[0-9a-fA-F]{4}|\\[^u])*+', re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_LONGEST_ESCAPE_BYTES = 6

Take = Callable[[bytes], None]
"""Takes the next bytes of the long text, without JSON's escapes."""


class JsonText:
    """Holds a body without its long text, for which `placeholder` stands in it."""

    def __init__(self, take: Take | None = None) -> None:
        """`take` gets the long text; without it a text may be as long as the body."""
        self.placeholder = uuid.uuid4().hex
        self._take = take
        self._kept = bytearray()
        self._tail = b""
        self._values = 0
        self._is_in_string = self._is_in_long = self._has_long = False
        self._string_start = 0

    def push(self, piece: bytes) -> bool:
        """Take up to `STEP_BYTES`; return whether that took long. Raises ValueError, or ClientError for too much."""
        data, self._tail = self._tail + piece, b""
        at = 0
        while at < len(data):
            at = self._in_string(data, at) if self._is_in_string else self._between_strings(data, at)
            if self._values > _MOST_VALUES:
                raise ClientError(Problem.INVALID_MESSAGE, f"the body has more than {_MOST_VALUES} values")
        if len(self._kept) > _MOST_KEPT_BYTES:
            raise ClientError(Problem.TOO_LARGE, f"the body has more than {_MOST_KEPT_BYTES} bytes besides its audio")
        return sum(piece.count(mark) for mark in _MARKS) > _MOST_FREE_MARKS

    def end(self) -> bytes:
        """Return the text; what is broken in it is left for the parser to find."""
        return bytes(self._kept + self._tail)

    def _between_strings(self, data: bytes, at: int) -> int:
        quote = data.find(b'"', at)
        end = len(data) if quote < 0 else quote
        part = data[at:end]
        self._values += sum(part.count(mark) for mark in _VALUE_MARKS)
        self._kept += part
        if quote >= 0:
            self._kept += b'"'
            self._values += 1
            self._is_in_string, self._string_start = True, len(self._kept)
            end += 1
        return end

    def _in_string(self, data: bytes, at: int) -> int:
        found = _IN_STRING.match(data, at)
        end = at if found is None else found.end()
        self._add(data[at:end])
        if end == len(data):
            return end
        if data[end : end + 1] == b'"':
            self._kept += b'"'
            self._is_in_string = self._is_in_long = False
            return end + 1
        if len(data) - end >= _LONGEST_ESCAPE_BYTES:
            raise ValueError("a broken escape")
        self._tail = data[end:]
        return len(data)

    def _add(self, part: bytes) -> None:
        if not self._is_in_long:
            self._kept += part
            if self._take is None or len(self._kept) - self._string_start <= LONG_BYTES:
                return
            if self._has_long:
                raise ClientError(Problem.TOO_LARGE, f"more than one text has more than {LONG_BYTES} bytes")
            part = bytes(self._kept[self._string_start :])
            self._kept[self._string_start :] = self.placeholder.encode()
            self._is_in_long = self._has_long = True
        assert self._take is not None  # noqa: S101
        self._take(_unescaped(part))


def _unescaped(part: bytes) -> bytes:
    if _CONTROL.search(part):
        raise ValueError("a control character in a text")
    if b"\\" not in part:
        return part
    text: str = json.loads(b'"' + part + b'"')
    return text.encode("utf-8", "surrogatepass")
