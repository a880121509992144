"""Owns the question whether anybody spoke: a decoder finds words in noise, tones and silence too."""

import numpy as np

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import Decoding, Reading
from stream.engine.text.repetition import is_loop
from stream.engine.text.tones import is_tone
from vad import SAMPLE_RATE

# Of 297 pieces of silence, noise, tones and music nearly all had a probability of no speech above 0.6, and none of
# those below 0.9 a mean log probability of its tokens above -1.1; speech in noise as loud as itself has 0.32 and -0.93.
_SURELY_NO_SPEECH_PROB = 0.9
NO_SPEECH_PROB = 0.6
_POOR_LOGPROB = -0.9
# What is worse than this on either side has to show a voice in the sound. Whispers show none, but are read well.
_DOUBTFUL_NO_SPEECH_PROB = 0.2
_DOUBTFUL_LOGPROB = -0.8
# The shortest words ("stop", in noise of 10 dB) are voiced for 110 ms; noise, clicks, wind and breath for 50 ms.
_LEAST_VOICED_SECONDS = 0.06
# Speech has 2.5 to 22 tokens for each second of its vowels, where each digit counts as one; tones and engines, voiced
# all along, have 0.5, and noise that is voiced by chance has 50.
_LEAST_TOKENS_PER_VOICED_SECOND = 1.5
_MOST_TOKENS_PER_VOICED_SECOND = 35
_VOICED = 0.7  # correlation of a stretch of sound with itself one period later
_DECIMATION = 4  # pitch and the first formant lie below 2 kHz, and most noise does not
_FRAME, _HOP = 160, 40  # 40 ms every 10 ms, at 4 kHz
_PERIODS = np.arange(10, 58)  # 400 to 70 Hz, at 4 kHz
# Product of two energies below which nothing is likeness: that of the steps of PCM16, so that speech of -68 dB counts.
_FAINTEST = 1e-14


def is_speech(samples: Samples, decoding: Decoding) -> bool:
    """Whether somebody spoke in `float32[n_samples]`, given what the decoder heard in them.

    The sound itself is looked at only when the decoder is in doubt: 0.5 ms of work for each second of it.
    """
    best = decoding.best
    if not best.has_words:
        return False
    if decoding.no_speech_prob > _SURELY_NO_SPEECH_PROB:
        return False
    # A loop agrees with itself, and looks likely for it.
    if decoding.no_speech_prob > NO_SPEECH_PROB and (best.logprob < _POOR_LOGPROB or is_loop(best.text)):
        return False
    if decoding.no_speech_prob <= _DOUBTFUL_NO_SPEECH_PROB and best.logprob >= _DOUBTFUL_LOGPROB:
        return True
    voiced = voiced_seconds(samples)
    least, most = _LEAST_TOKENS_PER_VOICED_SECOND * voiced, _MOST_TOKENS_PER_VOICED_SECOND * voiced
    return voiced >= _LEAST_VOICED_SECONDS and least <= _n_spoken_tokens(best) <= most and not is_tone(samples)


def _n_spoken_tokens(reading: Reading) -> int:
    """How many tokens the reading would have in letters: "999" is one token and three words."""
    return sum(max(len(word.tokens), sum(map(str.isdigit, word.text))) for word in reading.words)


def voiced_seconds(samples: Samples) -> float:
    """Return for how long the sound repeats itself from one period to the next, as vowels and tones do."""
    narrow = samples[: len(samples) // _DECIMATION * _DECIMATION].reshape(-1, _DECIMATION).mean(axis=1)
    if len(narrow) < _FRAME:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(narrow, _FRAME)[::_HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames, 2 * _FRAME, axis=1)
    correlation = np.fft.irfft(np.square(np.abs(spectrum)), 2 * _FRAME, axis=1)[:, _PERIODS]
    energy = np.cumsum(np.square(frames), axis=1)
    earlier, later = energy[:, _FRAME - 1 - _PERIODS], energy[:, -1:] - energy[:, _PERIODS - 1]
    likeness = correlation / np.sqrt(earlier * later + _FAINTEST)
    return float(np.count_nonzero(likeness.max(axis=1) > _VOICED)) * _HOP * _DECIMATION / SAMPLE_RATE
