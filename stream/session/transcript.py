"""The settled utterances of a session, packed until its end, which emits all of them once more."""

import zlib

import msgspec

from stream.session.events import Settled

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Settled)
_FASTEST = 1


class SettledUtterances:
    """The settled utterances of one session, small: an hour of talk takes half a megabyte, as objects five times that.

    For hours a session only adds to them; they are unpacked once.
    """

    def __init__(self) -> None:
        self._packed: list[tuple[int, int, int, bytes]] = []

    def add(self, settled: Settled) -> None:
        packed = zlib.compress(_ENCODER.encode(settled), _FASTEST)
        self._packed.append((settled.start, settled.channel, settled.utterance_id, packed))

    def all(self) -> tuple[Settled, ...]:
        """Return them by their begin, then their channel: an utterance may begin before one of a lower number."""
        return tuple(_DECODER.decode(zlib.decompress(packed)) for *_, packed in sorted(self._packed))
