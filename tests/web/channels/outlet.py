"""A client of a reader, which keeps what it is sent."""


class Client:
    """An outlet that may be full."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_full = False
        self.is_ended = False

    def write(self, piece: bytes) -> None:
        assert not self.is_ended
        self.pieces.append(piece)

    def end(self) -> None:
        self.is_ended = True

    @property
    def text(self) -> str:
        return b"".join(self.pieces).decode()
