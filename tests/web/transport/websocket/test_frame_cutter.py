from hypothesis import given
from hypothesis import strategies as st

from tests.support.tiers import examples
from web.transport.frame_cutter import FrameCutter, frame_bytes

HANDSHAKE = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"


def frame(payload_bytes: int, *, is_masked: bool = True) -> bytes:
    mask = 0x80 if is_masked else 0
    if payload_bytes < 126:
        head = bytes([0x82, mask | payload_bytes])
    elif payload_bytes < 1 << 16:
        head = bytes([0x82, mask | 126]) + payload_bytes.to_bytes(2, "big")
    else:
        head = bytes([0x82, mask | 127]) + payload_bytes.to_bytes(8, "big")
    return head + bytes(4 if is_masked else 0) + b"\r\n\r\n"[:payload_bytes].ljust(payload_bytes, b"x")


def parts(wire: bytes, cuts: list[int]) -> list[bytes]:
    """Cut what is received in reads of any size; bytes that a header lacks wait for the next read."""
    cutter, found, waiting = FrameCutter(), list[bytes](), b""
    reads = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    for read in reads:
        waiting += read
        while size_bytes := cutter.next_bytes(waiting[: cutter.peek_bytes], len(waiting)):
            part, waiting = waiting[:size_bytes], waiting[size_bytes:]
            cutter.take(part)
            found.append(part)
    return found if not waiting else [*found, waiting]


@examples(100)
@given(st.lists(st.sampled_from([0, 1, 4, 125, 126, 200, 70_000]), max_size=6), st.data())
def test_no_part_reaches_over_the_end_of_the_handshake_or_of_a_frame(payloads: list[int], data: st.DataObject) -> None:
    frames = [frame(size, is_masked=data.draw(st.booleans())) for size in payloads]
    wire = HANDSHAKE + b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    ends, at = set[int](), 0
    for part in parts(wire, cuts):
        at += len(part)
        ends.add(at)
    assert at == len(wire)
    boundaries, at = {len(HANDSHAKE)}, len(HANDSHAKE)
    for one in frames:
        at += len(one)
        boundaries.add(at)
    assert boundaries <= ends


def test_a_header_that_lacks_bytes_has_no_length_yet() -> None:
    for payload_bytes in (5, 300, 70_000):
        whole = frame(payload_bytes)
        header_bytes = len(whole) - payload_bytes
        assert [frame_bytes(whole[:size]) for size in range(header_bytes)] == [0] * header_bytes
        assert frame_bytes(whole[:header_bytes]) == len(whole)
