"""Check whether audio contains speech: decoders find words in noise, tones and silence too."""

from dataclasses import replace

import numpy as np

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import Decoding, Hypothesis
from stream.engine.model.repetition import is_repetitive
from stream.engine.text.tones import has_more_than_tone, is_tone
from stream.words import word_key
from vad import SAMPLE_RATE

# Of 297 clips of silence, noise, tones and music nearly all had a no-speech probability above 0.6, and none of those
# below 0.9 a mean token log probability above -1.1; speech at 0 dB SNR has 0.32 and -0.93.
_SURELY_NO_SPEECH_PROB = 0.9
NO_SPEECH_PROB = 0.6
_POOR_LOGPROB = -0.9
# Decodes beyond either limit need voiced sound in the audio. Whispered speech has none, but is decoded with confidence.
_DOUBTFUL_NO_SPEECH_PROB = 0.2
_DOUBTFUL_LOGPROB = -0.8
# The shortest words ("stop", in noise of 10 dB) are voiced for 110 ms; noise, clicks, wind and breath for 50 ms.
_LEAST_VOICED_SECONDS = 0.06
# Speech has 2.5 to 22 tokens for each voiced second, with each digit counted as one; tones and engines, which are
# voiced throughout, have 0.5, and noise that seems voiced by chance has 50. Of slow
# digits "nine nine nine" has the fewest, 1.2.
_LEAST_TOKENS_PER_VOICED_SECOND = 1.0
_MOST_TOKENS_PER_VOICED_SECOND = 35
_LETTERS_OF_TOKEN = 4  # in the mean; frequent long words are single tokens, and slow speakers take 0.7 s for "goodbye"
_VOICED = 0.7  # autocorrelation at the pitch period
_DECIMATION = 4  # pitch and the first formant lie below 2 kHz, most noise lies above
_FRAME, _HOP = 160, 40  # 40 ms every 10 ms, at 4 kHz
_PERIODS = np.arange(10, 58)  # 400 to 70 Hz, at 4 kHz
# Added to the product of two energies: that of the quantization steps of PCM16, so that speech of -68 dB still counts.
_FAINTEST = 1e-14
# Whisper adds such a sentence in the silence after speech: the subtitles that it was trained on often end with it.
_GHOSTS = (("thank", "you"), ("thanks",), ("thanks", "for", "watching"), ("thank", "you", "for", "watching"))
# The times of words are off by 54 ms in the mean, so the word before may sound for longer than it has.
_WORD_END_SAMPLES = SAMPLE_RATE // 20
# Few words last longer. Of 52 sentences one had more than 0.4 s of voice after that, an abbreviation; those that the
# decoder left unfinished had 0.6 to 2 s.
_LONG_WORD_SAMPLES = SAMPLE_RATE * 8 // 10
_UNRECOGNIZED_SECONDS = 0.5


def without_ghost_thanks(samples: Samples, decoding: Decoding, kept_tokens: int) -> Decoding:
    """Remove thanks after the last spoken word if there is no voice; the first `kept_tokens` stay.

    The best hypothesis must have word times.
    """
    words = decoding.best.words
    keys = tuple(word_key(word.text) for word in words)
    n_ghosts = max((len(ghost) for ghost in _GHOSTS if keys[-len(ghost) :] == ghost), default=0)
    spoken = words[: len(words) - n_ghosts]
    if not n_ghosts or not spoken or sum(len(word.tokens) for word in spoken) < kept_tokens:
        return decoding
    if voiced_seconds(samples[spoken[-1].end_samples + _WORD_END_SAMPLES :]) >= _LEAST_VOICED_SECONDS:
        return decoding
    best = replace(decoding.best, words=spoken)
    return replace(decoding, hypotheses=(best, *decoding.hypotheses[1:]))


def ends_early(samples: Samples, decoding: Decoding) -> bool:
    """Whether a voice goes on in `float32[n_samples]` after the last word of the best hypothesis, which has times."""
    words = decoding.best.words
    if not words:
        return False
    rest = samples[words[-1].start_samples + _LONG_WORD_SAMPLES :]
    return len(rest) >= _UNRECOGNIZED_SECONDS * SAMPLE_RATE and voiced_seconds(rest) >= _UNRECOGNIZED_SECONDS


def is_speech(samples: Samples, decoding: Decoding) -> bool:
    """Whether `float32[n_samples]` contains speech, given its decoding.

    The audio itself is analysed only if the decoder is in doubt, which takes 0.5 ms for each second of it.
    """
    best = decoding.best
    if not best.has_words:
        return False
    if decoding.no_speech_prob > _SURELY_NO_SPEECH_PROB:
        return False
    # Repetition raises the probability of its own tokens.
    if decoding.no_speech_prob > NO_SPEECH_PROB and (best.logprob < _POOR_LOGPROB or is_repetitive(best.text)):
        return False
    if decoding.no_speech_prob <= _DOUBTFUL_NO_SPEECH_PROB and best.logprob >= _DOUBTFUL_LOGPROB:
        return True
    voiced = voiced_seconds(samples)
    least, most = _LEAST_TOKENS_PER_VOICED_SECOND * voiced, _MOST_TOKENS_PER_VOICED_SECOND * voiced
    if voiced >= _LEAST_VOICED_SECONDS and least <= _n_spoken_tokens(best) <= most and not is_tone(samples):
        return True
    # A tone under speech is voiced throughout, and makes the decoder doubt what it recognizes.
    return decoding.no_speech_prob <= NO_SPEECH_PROB and has_more_than_tone(samples)


def _n_spoken_tokens(hypothesis: Hypothesis) -> int:
    """How many tokens the hypothesis would have in letters: "999" is one token and three words."""
    return sum(
        max(len(word.tokens), sum(map(str.isdigit, word.text)), round(len(word_key(word.text)) / _LETTERS_OF_TOKEN))
        for word in hypothesis.words
    )


def voiced_seconds(samples: Samples) -> float:
    """Return how many seconds of the audio are periodic, as vowels and tones are."""
    narrow = samples[: len(samples) // _DECIMATION * _DECIMATION].reshape(-1, _DECIMATION).mean(axis=1)
    if len(narrow) < _FRAME:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(narrow, _FRAME)[::_HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames, 2 * _FRAME, axis=1)
    correlation = np.fft.irfft(np.square(np.abs(spectrum)), 2 * _FRAME, axis=1)[:, _PERIODS]
    energy = np.cumsum(np.square(frames), axis=1)
    earlier, later = energy[:, _FRAME - 1 - _PERIODS], energy[:, -1:] - energy[:, _PERIODS - 1]
    similarity = correlation / np.sqrt(earlier * later + _FAINTEST)
    return float(np.count_nonzero(similarity.max(axis=1) > _VOICED)) * _HOP * _DECIMATION / SAMPLE_RATE
