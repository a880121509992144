"""Cuts what a WebSocket client sends at the ends of its handshake and of each frame."""

_HEAD_END = b"\r\n\r\n"
# RFC 6455, 5.2: two bytes, up to eight more of the length, four of the mask.
MOST_HEADER_BYTES = 14


class FrameCutter:
    """Finds how many bytes make the next frame, so that so many frames are parsed at once and no part of another."""

    def __init__(self) -> None:
        self._tail: bytes | None = b""  # of the handshake; None behind its end
        self._left_bytes = 0

    @property
    def peek_bytes(self) -> int | None:
        """How many of the next bytes `next_bytes` looks at; None for all of them."""
        return MOST_HEADER_BYTES if self._tail is None else None

    def next_bytes(self, head: bytes, available_bytes: int) -> int:
        """Return how many of the available bytes belong to what begins or goes on with `head`.

        0 while the header of a frame lacks bytes.
        """
        if self._tail is not None:
            end = (self._tail + head).find(_HEAD_END)
            return len(head) if end < 0 else end + len(_HEAD_END) - len(self._tail)
        if not self._left_bytes:
            self._left_bytes = frame_bytes(head)
        return min(self._left_bytes, available_bytes)

    def take(self, taken: bytes) -> None:
        """Note the bytes that were parsed, no more than `next_bytes`."""
        if self._tail is None:
            self._left_bytes -= len(taken)
            return
        tail = self._tail + taken
        self._tail = None if tail.endswith(_HEAD_END) else tail[-len(_HEAD_END) + 1 :]


def frame_bytes(data: bytes) -> int:
    """Return the length of the frame at the beginning of `data`, with its header; 0 while that lacks bytes."""
    if len(data) < 2:
        return 0
    masked, length = data[1] & 0x80, data[1] & 0x7F
    header_bytes = 2
    if length >= 126:
        header_bytes = 4 if length == 126 else 10
        length = int.from_bytes(data[2:header_bytes], "big")
    header_bytes += 4 if masked else 0
    return header_bytes + length if len(data) >= header_bytes else 0
