"""The settled utterances of a session, packed until its end, which emits all of them once more."""

import zlib
from collections.abc import Iterator, Sequence
from typing import overload

import msgspec

from stream.session.events import Settled

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Settled)
_FASTEST = 1


class SettledUtterances:
    """The settled utterances of one session, small: an hour of talk takes half a megabyte, as objects five times that.

    For hours a session only adds to them; they are read at its end.
    """

    def __init__(self) -> None:
        self._packed: list[tuple[int, int, int, bytes]] = []

    def add(self, settled: Settled) -> None:
        packed = zlib.compress(_ENCODER.encode(settled), _FASTEST)
        self._packed.append((settled.start, settled.channel, settled.utterance_id, packed))

    def all(self) -> Sequence[Settled]:
        """Return them by their begin, then their channel: an utterance may begin before one of a lower number."""
        return _Unpacked([packed for *_, packed in sorted(self._packed)]) if self._packed else ()


class _Unpacked(Sequence[Settled]):
    """Utterances that are unpacked one by one as they are read: those of four hours at once take 0.1 s."""

    def __init__(self, packed: list[bytes]) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> Settled: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Settled]: ...
    def __getitem__(self, index: int | slice) -> Settled | Sequence[Settled]:
        if isinstance(index, slice):
            return _Unpacked(self._packed[index])
        return _unpacked(self._packed[index])

    def __iter__(self) -> Iterator[Settled]:
        return map(_unpacked, self._packed)


def _unpacked(packed: bytes) -> Settled:
    return _DECODER.decode(zlib.decompress(packed))
