"""Convert the `audio_content` of one call, with or without a WAV header, to PCM16 at 16 kHz."""

from stream.audio.containers.wav import WavReader
from stream.audio.resample import Resampler
from stream.errors import ClientError
from vad import SAMPLE_RATE


class AudioError(Exception):
    """The audio cannot be used; the message says what was found and what is served."""


class AudioReader:
    """Converts the chunks of one call, cut anywhere, to `int16[n_samples]` little-endian at 16 kHz mono.

    A WAV header sets the rate; audio without one must have `rate_hertz` 16000 (0 means that), because Riva's models do
    not resample either. Methods raise AudioError.
    """

    def __init__(self, rate_hertz: int) -> None:
        self._rate_hertz = rate_hertz or SAMPLE_RATE
        self._wav = WavReader()
        self._resampler: Resampler | None = None

    def push(self, chunk: bytes) -> bytes:
        """Return the samples that the next chunk completes."""
        try:
            return self._resampled(b"".join(self._wav.push(chunk)))
        except ClientError as error:
            raise AudioError(error.detail) from None

    def flush(self) -> bytes:
        """Return the last samples at the end of the audio; half a sample is dropped."""
        rest = self._resampled(b"".join(self._wav.flush()))
        return rest if self._resampler is None else rest + self._resampler.flush()[0]

    def _resampled(self, sound: bytes) -> bytes:
        if not sound:
            return b""
        if self._resampler is None:
            self._resampler = self._make_resampler()
        return self._resampler.push(sound)[0]

    def _make_resampler(self) -> Resampler:
        if self._wav.format is not None:
            shape = self._wav.format.shape
            return Resampler(shape.sample_rate_hertz, shape.channels, places=shape.layout)
        if self._rate_hertz != SAMPLE_RATE:
            raise AudioError(
                f"sample_rate_hertz is {self._rate_hertz}; audio without a WAV header must have {SAMPLE_RATE}"
            )
        return Resampler(SAMPLE_RATE)
