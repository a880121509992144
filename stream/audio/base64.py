"""Decode base64 as a stream: text cut anywhere, with line breaks and padding inside."""

import binascii
import re
from collections.abc import Iterator

from stream.errors import ClientError, Problem

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
PADDING = b"="
LINE_BREAKS = b"\r\n"
TEXT = ALPHABET + PADDING + LINE_BREAKS
# Clients that send whole buffers fill the last one with these.
FILLER = b"\0 \t"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_GROUP_CHARACTERS = 4
_RUN = re.compile(rb"[^=]++|=++")
# So many characters take up to a millisecond if every group is padded.
_STEP_CHARACTERS = 1024


class Base64Decoder:
    """Decodes the standard and the URL-safe alphabet.

    Some clients encode a whole file and cut the text, others encode each buffer on its own, so that text may follow
    a padded group. Zero bytes and white space may end the text.
    """

    def __init__(self) -> None:
        self._group = b""
        self._padding_may_follow = 0
        self._has_begun = self._has_ended = False

    def push(self, text: bytes, position: int = 0) -> Iterator[bytes]:
        """Yield the bytes that `text` completes, a step at a time; raises ClientError after those before the fault.

        `position` is added to the character positions in errors.
        """
        text = self._unfilled(text).translate(_URL_SAFE, LINE_BREAKS)
        for start in range(0, len(text), _STEP_CHARACTERS):
            yield from self._decoded(text, start, start + _STEP_CHARACTERS, position)

    def _decoded(self, text: bytes, start: int, end: int, position: int) -> Iterator[bytes]:
        """Yield the bytes that the characters from `start` to `end` complete, at once."""
        parts: list[bytes] = []
        try:
            for found in _RUN.finditer(text, start, end):
                run = found.group()
                if run.startswith(PADDING):
                    parts.append(self._pad(len(run)))
                else:
                    self._add(run, position + found.start(), parts)
        except ClientError:
            yield b"".join(parts)
            raise
        yield b"".join(parts)

    def flush(self) -> bytes:
        """Return the bytes of an unpadded last group; a single character has none."""
        group, self._group = self._group, b""
        return _unpadded(group) if len(group) > 1 else b""

    def _unfilled(self, text: bytes) -> bytes:
        """Remove the filler at the end, after which no text may follow."""
        unfilled = text.rstrip(FILLER + LINE_BREAKS)
        if unfilled and self._has_ended:
            raise _fault("more text after the zero bytes or the white space that ended it")
        self._has_begun = self._has_begun or bool(unfilled)
        if not self._has_begun or not text[len(unfilled) :].strip(LINE_BREAKS):
            return text
        self._has_ended = True
        return unfilled

    def _add(self, run: bytes, position: int, parts: list[bytes]) -> None:
        """Decode characters other than padding; `position` is that of the first in the message."""
        valid = _valid_characters(run)
        if valid:
            self._padding_may_follow = 0
        self._group += run[:valid]
        whole = len(self._group) // _GROUP_CHARACTERS * _GROUP_CHARACTERS
        if whole:
            parts.append(binascii.a2b_base64(self._group[:whole]))
            self._group = self._group[whole:]
        if valid < len(run):
            raise _fault(f"byte {run[valid]:#04x} at character {position + valid} of a message")

    def _pad(self, count: int) -> bytes:
        """Return the bytes of the group that so many padding characters complete."""
        if not self._group:
            if count > self._padding_may_follow:
                raise _fault("padding without a group before it")
            self._padding_may_follow -= count
            return b""
        if len(self._group) == 1 or len(self._group) + count > _GROUP_CHARACTERS:
            raise _fault(f"{len(self._group)} characters with {count} of padding")
        self._padding_may_follow = _GROUP_CHARACTERS - len(self._group) - count
        group, self._group = self._group, b""
        return _unpadded(group)


def _valid_characters(run: bytes) -> int:
    """How many characters at the start belong to the alphabet."""
    foreign = run.translate(None, ALPHABET)
    return run.index(foreign[:1]) if foreign else len(run)


def _unpadded(group: bytes) -> bytes:
    return binascii.a2b_base64(group + PADDING * (_GROUP_CHARACTERS - len(group)))


def _fault(what: str) -> ClientError:
    return ClientError(
        Problem.INVALID_AUDIO,
        f"the audio is not valid base64: {what}; allowed are A-Z a-z 0-9 + / - _ = and line breaks",
    )
