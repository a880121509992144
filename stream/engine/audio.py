"""Decode the audio of one call, in any encoding of Riva's, to PCM16 at 16 kHz."""

from collections.abc import Iterator

from stream.audio.containers.declaration import MismatchError, TextError
from stream.audio.decoder import AudioDecoder, Samples
from stream.audio.format import Encoding
from stream.engine.audio_options import SERVED_ENCODINGS, AudioOptions
from stream.errors import ClientError, Problem
from vad import SAMPLE_BYTES, SAMPLE_RATE

# A compressed file of a megabyte can hold days of silence; this is as long as the longest recording that Niyosha takes.
_LONGEST_COMPRESSED_SECONDS = 4 * 3600


class AudioError(Exception):
    """The audio cannot be used; the message says what was found and what is served.

    With `retry_after_seconds` the same audio may be served later.
    """

    def __init__(self, sentence: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds


class AudioReader:
    """Decodes the chunks of one call, cut anywhere, to `int16[n_samples]` little-endian at 16 kHz mono.

    A header counts more than the options do. Of several channels the first is recognized, as Riva's protocol says.
    Methods yield samples step by step, b"" after a step of work that completed none, and raise AudioError. `close` it
    in the end.
    """

    def __init__(self, options: AudioOptions) -> None:
        self._encoding_name = options.encoding_name
        self._decoder = AudioDecoder(options.audio_format)
        self._decoded_samples = 0

    @property
    def is_compressed(self) -> bool:
        """Whether the next step may take long, so that it should run in a thread."""
        return self._decoder.is_compressed

    def push(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the samples that the next chunk completes."""
        return self._checked(self._decoder.push(chunk))

    def identify(self) -> Iterator[bytes]:
        """Yield what was held back while the kind of audio was unknown."""
        return self._checked(self._decoder.identify())

    def flush(self) -> Iterator[bytes]:
        """Yield the last samples at the end of the audio; half a sample is dropped."""
        return self._checked(self._decoder.flush())

    def close(self) -> None:
        """Release what decoding holds."""
        self._decoder.close()

    def _checked(self, steps: Iterator[Samples]) -> Iterator[bytes]:
        try:
            for (samples,) in steps:
                self._count(len(samples) // SAMPLE_BYTES)
                yield samples
        except MismatchError as error:
            raise AudioError(self._mismatch(error)) from None
        except TextError as error:
            raise AudioError(f"the audio is a text: {error.excerpt}; {SERVED_ENCODINGS}") from None
        except ClientError as error:
            is_temporary = error.problem is Problem.OVERLOADED
            raise AudioError(error.detail, error.retry_after_seconds if is_temporary else None) from None

    def _count(self, n_samples: int) -> None:
        self._decoded_samples += n_samples
        if self.is_compressed and self._decoded_samples > _LONGEST_COMPRESSED_SECONDS * SAMPLE_RATE:
            raise AudioError(
                f"the audio is longer than {_LONGEST_COMPRESSED_SECONDS} seconds; send the rest in another call"
            )

    def _mismatch(self, error: MismatchError) -> str:
        """Word an error in Riva's names; the only key that a call may contradict is its encoding."""
        if error.from_header:
            found = error.found.replace(Encoding.LINEAR16.value, "LINEAR_PCM")
            name = self._encoding_name
            return f"the header of the audio says {found}, but encoding is {name}; leave it out or make them agree"
        declared = f", but encoding is {self._encoding_name}" if self._encoding_name else ""
        return f"the audio is {error.found}{declared}; {SERVED_ENCODINGS}"
