"""The transfer of audio inside binary messages: as it is, or as base64 text."""

from collections.abc import Iterator

from stream.audio.base64 import FILLER, LINE_BREAKS, TEXT, Base64Decoder
from stream.audio.containers.signatures import kind_of_signature, streamed_kind, tag_bytes
from stream.audio.format import AudioFormat, AudioTransfer, Encoding
from stream.errors import ClientError

# Enough to tell text from samples: sound has all 16 bytes among these 70 characters once in 10^9 times.
_SNIFF_BYTES = 16
# What is not text after so many characters was not text before, either, but looked like letters for a while. Of base64
# that is 24 ms of 16 kHz.
_SURE_BYTES = 1024
# So much of a message is worked at before others have their turn: a second of 16 kHz PCM16. Four seconds of 8 kHz in
# bytes, the most that it may be, take 5 ms.
_STEP_BYTES = 32_000
# An MP3 stream that was cut in its middle may begin with filler, the letter U: the text has to begin as a file does.
_MP3_BEGINNINGS = (b"\xff\xe2", b"\xff\xe3", b"\xff\xf2", b"\xff\xf3", b"\xff\xfa", b"\xff\xfb", b"ID")


class Transfer:
    """Unwraps one connection's messages; `auto` is decided by the first bytes and by what was declared.

    Samples are text if their first characters are of base64's alphabet; mu-law and A-law never are, because their
    silence is made of letters; a compressed stream is if the text begins as such a stream does.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        self._encoding = audio_format.encoding
        self._transfer = audio_format.transfer
        if self._transfer is AudioTransfer.AUTO and self._encoding in (Encoding.MULAW, Encoding.ALAW):
            self._transfer = AudioTransfer.RAW
        self._head = b""
        self._base64 = Base64Decoder()

    def push(self, message: bytes) -> Iterator[bytes]:
        """Yield the bytes that `message` completes, few at a time; raises ClientError for what is no base64."""
        if self._transfer is AudioTransfer.AUTO:
            self._head += message
            if len(self._head) < _SURE_BYTES and not _is_foreign(self._head[:_SNIFF_BYTES]):
                return
            message = self._decide()
        yield from self._unwrapped(message)

    def flush(self) -> Iterator[bytes]:
        """Yield what was held back at the end."""
        if self._transfer is AudioTransfer.AUTO and self._head:
            yield from self._unwrapped(self._decide())
        if self._transfer is AudioTransfer.BASE64:
            yield self._base64.flush()

    def _unwrapped(self, message: bytes) -> Iterator[bytes]:
        if self._transfer is AudioTransfer.RAW:
            for start in range(0, len(message), _STEP_BYTES):
                yield message[start : start + _STEP_BYTES]
        else:
            yield from self._base64.push(message)

    def _decide(self) -> bytes:
        head, self._head = self._head, b""
        self._transfer = AudioTransfer.BASE64 if self._is_base64(head) else AudioTransfer.RAW
        return head

    def _is_base64(self, head: bytes) -> bool:
        if _is_foreign(head[:_SNIFF_BYTES]) or not head.strip(LINE_BREAKS):
            return False
        foreign = head[:_SURE_BYTES].rstrip(FILLER).translate(None, TEXT)
        # A letter that is not allowed is a fault of the text; any other byte shows that it is none.
        if any(not 0x20 <= byte < 0x7F for byte in foreign.translate(None, FILLER)):
            return False
        kind = streamed_kind(self._encoding)
        if kind is None:
            return True
        decoded = _decoded(head)
        if kind.encoding is Encoding.MP3 and decoded.startswith(_MP3_BEGINNINGS):
            return True
        return bool(tag_bytes(decoded)) or kind_of_signature(decoded) is kind


def _is_foreign(text: bytes) -> bool:
    return bool(text.translate(None, TEXT))


def _decoded(head: bytes) -> bytes:
    """What the beginning of a text stands for, as far as it is text."""
    try:
        return b"".join(Base64Decoder().push(head))
    except ClientError:
        return b""
