import array
import io
import wave

from hypothesis import given
from hypothesis import strategies as st

from stream.protocols.riva.channels import FirstChannel
from tests.support.sounds import cut
from tests.support.tiers import examples


def picked(pcm: bytes, size: int) -> bytes:
    channel = FirstChannel()
    return b"".join(map(channel.push, cut(pcm, size))) + channel.flush()


@examples(50)
@given(st.lists(st.tuples(st.integers(-(2**15), 2**15 - 1), st.integers(-(2**15), 2**15 - 1))), st.integers(1, 64))
def test_the_first_of_two_channels_is_the_same_wherever_the_bytes_are_cut(
    frames: list[tuple[int, int]], size: int
) -> None:
    interleaved = array.array("h", [sample for frame in frames for sample in frame]).tobytes()
    if interleaved[:1] not in (b"R", b"B", b"r"):  # a file says what it is
        assert picked(interleaved, size) == array.array("h", [left for left, _ in frames]).tobytes()


def test_a_wav_file_stays_as_it_is() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(bytes(400))
    assert picked(file.getvalue(), 5) == file.getvalue()
