"""What the tone models recognize: a vocabulary, the sound of a token, and where its tone lies in the features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vad import SAMPLE_RATE

N_MELS = 80
WORD_MARK = "▁"  # begins a word in the vocabularies of SentencePiece
BLANK = "<blk>"
# The pitch of the first token and the step to the next one: far enough apart for the bands of both mel scales.
_FIRST_HERTZ = 500.0
_STEP = 1.28
_AMPLITUDE = 0.3
# Below each tone lies a voice of two strong harmonics and weak ones up to 3.6 kHz: without it the voice activity
# detector takes a tone for none.
_PITCH_HERTZ = 130.0
_STRONG, _WEAK = 0.09, 0.009
_HARMONICS = 28
_FADE_SAMPLES = SAMPLE_RATE // 200

_Scale = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of a model, without its blank; `is_blank_first` tells where that is."""

    tokens: tuple[str, ...]
    is_blank_first: bool = False

    @property
    def all_tokens(self) -> tuple[str, ...]:
        return (BLANK, *self.tokens) if self.is_blank_first else (*self.tokens, BLANK)

    def hertz(self, token: str) -> float:
        """Return the tone of a token."""
        return float(_FIRST_HERTZ * _STEP ** self.tokens.index(token))

    def write(self, path: Path) -> None:
        """Write the `tokens.txt` of sherpa-onnx: a token and its number on each line."""
        path.write_text("".join(f"{token} {number}\n" for number, token in enumerate(self.all_tokens)))

    def pcm(self, token: str, seconds: float) -> bytes:
        """Return the sound of a token, `int16[n_samples]` at 16 kHz, which the detector takes for speech."""
        n_samples = round(seconds * SAMPLE_RATE)
        time = np.arange(n_samples) / SAMPLE_RATE
        sound = _AMPLITUDE * np.sin(2 * np.pi * self.hertz(token) * time)
        for number in range(1, _HARMONICS):
            level = _STRONG if number < 3 else _WEAK
            sound += level * np.sin(2 * np.pi * _PITCH_HERTZ * number * time + number**2)
        fade = np.minimum(1.0, np.minimum(np.arange(n_samples), np.arange(n_samples)[::-1]) / _FADE_SAMPLES)
        return (sound * fade * 32_767).astype("<i2").tobytes()

    def librosa_bands(self) -> list[int]:
        """Return the band of each token among the 80 of NeMo's features: Slaney's scale from 0 to 8 kHz."""
        return self._bands(_slaney_mel, 0.0, SAMPLE_RATE / 2)

    def kaldi_bands(self) -> list[int]:
        """Return the band of each token among the 80 of Kaldi's features, from 20 Hz to 400 Hz below the highest."""
        return self._bands(_htk_mel, 20.0, SAMPLE_RATE / 2 - 400)

    def _bands(self, mel: _Scale, lowest: float, highest: float) -> list[int]:
        hertz = np.array([self.hertz(token) for token in self.tokens])
        low, high = mel(np.array(lowest)), mel(np.array(highest))
        places = (mel(hertz) - low) / (high - low) * (N_MELS + 1) - 1
        return [int(place) for place in np.round(places)]


def _htk_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127 * np.log1p(hertz / 700))


def _slaney_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4))


def spoken(vocabulary: Vocabulary, text: Sequence[tuple[str, float]]) -> bytes:
    """Return the sounds of tokens in a row, each for so many seconds; "" is silence."""
    return b"".join(
        vocabulary.pcm(token, seconds) if token else bytes(2 * round(seconds * SAMPLE_RATE)) for token, seconds in text
    )
