"""Unwrap the audio in binary messages: raw bytes, or base64 text."""

from collections.abc import Iterator

from stream.audio.base64 import FILLER, LINE_BREAKS, TEXT, Base64Decoder
from stream.audio.containers.signatures import may_begin_stream, streamed_kind
from stream.audio.format import AudioFormat, AudioTransfer, Encoding
from stream.errors import ClientError

# Enough to distinguish text from samples: once in 10^9 cases all 16 bytes of audio are among these 70 characters.
_SNIFF_BYTES = 16
# So many bytes decide, because samples may look like letters for a while: 24 ms of 16 kHz PCM16 in base64.
_SURE_BYTES = 1024
# How much is processed before the event loop serves others: a second of 16 kHz PCM16. The longest decode, four seconds
# of 8 kHz G.711, takes 5 ms.
STEP_BYTES = 32_000


class Transfer:
    """Unwraps the messages of one connection; `auto` is decided by the first bytes and the declared encoding.

    Samples are base64 if their first characters are of its alphabet, except mu-law and A-law, whose silence consists
    of letters. A compressed stream is base64 if the decoded text begins as such a stream does. (An MP3 stream that was
    cut may begin with filler, the letter U.)
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        self._encoding = audio_format.encoding
        self._transfer = audio_format.transfer
        if self._transfer is AudioTransfer.AUTO and self._encoding in (Encoding.MULAW, Encoding.ALAW):
            self._transfer = AudioTransfer.RAW
        self._head = b""
        self._base64 = Base64Decoder()

    @property
    def is_raw(self) -> bool:
        """Whether messages are known to be bytes of audio."""
        return self._transfer is AudioTransfer.RAW

    def push(self, message: bytes) -> Iterator[bytes]:
        """Yield the bytes that `message` completes, few at a time; raises ClientError for invalid base64."""
        if self._transfer is AudioTransfer.AUTO:
            self._head += message
            if len(self._head) < _SURE_BYTES and not _is_foreign(self._head[:_SNIFF_BYTES]):
                return
            message = self._decide()
        yield from self._unwrapped(message)

    def flush(self) -> Iterator[bytes]:
        """Yield what was held back."""
        if self._transfer is AudioTransfer.AUTO and self._head:
            yield from self._unwrapped(self._decide())
        if self._transfer is AudioTransfer.BASE64:
            yield self._base64.flush()

    def _unwrapped(self, message: bytes) -> Iterator[bytes]:
        if self._transfer is AudioTransfer.RAW:
            for start in range(0, len(message), STEP_BYTES):
                yield message[start : start + STEP_BYTES]
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
        # A wrong letter is an error in base64; any other byte shows that it is not base64.
        if any(not 0x20 <= byte < 0x7F for byte in foreign.translate(None, FILLER)):
            return False
        kind = streamed_kind(self._encoding)
        return kind is None or may_begin_stream(kind, _decoded(head))


def _is_foreign(text: bytes) -> bool:
    return bool(text.translate(None, TEXT))


def _decoded(head: bytes) -> bytes:
    """Decode the beginning of a base64 text, b"" for anything else."""
    try:
        return b"".join(Base64Decoder().push(head))
    except ClientError:
        return b""
