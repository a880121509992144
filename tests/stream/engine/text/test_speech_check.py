import numpy as np
import pytest

from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import DecodedWord, Decoding, Hypothesis
from stream.engine.model.whisper import Whisper
from stream.engine.text.speech_check import ends_early, is_speech, voiced_seconds, without_ghost_thanks
from tests.support.nonspeech import nonspeech, signal_tone
from tests.support.sounds import clip_pcm
from tests.support.tiers import tiered
from vad import SAMPLE_RATE

_NOISE = nonspeech("white noise", 2.0)
_TONE = nonspeech("low tone", 2.0)
_CLICK = _NOISE + np.where(np.arange(len(_NOISE)) < 0.05 * SAMPLE_RATE, _TONE, 0).astype(np.float32)
_SPEECH = samples_of(clip_pcm("yes.wav"))
_LONG_VOWEL = np.concatenate([_TONE[: SAMPLE_RATE // 4] * (1 + n) for n in range(3)])
_RINGING = signal_tone(425, on_seconds=1.0, off_seconds=1.0, seconds=2.0)


def decoding(text: str, no_speech_prob: float, logprob: float) -> Decoding:
    words = tuple(DecodedWord(text=word, tokens=(number,)) for number, word in enumerate(text.split()))
    return Decoding((Hypothesis(words, logprob),), no_speech_prob, "en-US")


@pytest.mark.parametrize(
    ("samples", "result"),
    [
        (_SPEECH, decoding("", 0.0, 0.0)),
        (_SPEECH, decoding(". . .", 0.1, -0.5)),
        (_SPEECH, decoding("you", 0.95, -0.5)),
        (_SPEECH, decoding("Thank you.", 0.7, -1.2)),
        (_SPEECH, decoding("No, no, no, no.", 0.7, -0.3)),
        (_NOISE, decoding("Thank you.", 0.4, -0.5)),
        (_NOISE, decoding("Ah...", 0.1, -1.9)),
        (_TONE, decoding("you.", 0.2, -3.1)),
        (_RINGING, decoding("Thank you very much.", 0.6, -1.5)),
        (_CLICK, decoding("you", 0.4, -1.5)),
        (_SPEECH, decoding("so many words in a quarter of a second of voice that nobody can have said", 0.3, -1.0)),
        (np.zeros(100, dtype=np.float32), decoding("you", 0.3, -1.0)),
    ],
)
def test_words_without_a_voice_are_not_believed(samples: Samples, result: Decoding) -> None:
    assert not is_speech(samples, result)


@pytest.mark.parametrize(
    ("samples", "result"),
    [
        (_SPEECH, decoding("yes", 0.05, -0.3)),
        (_SPEECH, decoding("yes", 0.5, -1.9)),
        (_SPEECH, decoding("printing in the only sense", 0.7, -0.8)),
        (_NOISE, decoding("a whisper, read well", 0.1, -0.5)),
        (np.tile(_SPEECH, 5), decoding("99999", 0.25, -1.1)),
        (np.tile(_SPEECH, 6), decoding("9 9", 0.27, -0.7)),
        (_LONG_VOWEL, decoding("goodbye", 0.2, -1.7)),
    ],
)
def test_doubtful_words_with_a_voice_are(samples: Samples, result: Decoding) -> None:
    assert is_speech(samples, result)


def over_tone(speech: Samples, level_db: float) -> Samples:
    """Return speech over a ringing tone that is 0.4 s longer on both sides."""
    edge = 4 * SAMPLE_RATE // 10
    tone = signal_tone(425, on_seconds=9, off_seconds=0, seconds=(len(speech) + 2 * edge) / SAMPLE_RATE)
    level = np.abs(tone).max() / np.abs(speech).max() * 10 ** (level_db / 20)
    return np.asarray(tone + np.pad(speech * level, edge), dtype=np.float32)


@pytest.mark.parametrize("level_db", [0, -6, -9])
def test_a_word_over_a_tone_counts_as_speech(level_db: float) -> None:
    assert is_speech(over_tone(_SPEECH, level_db), decoding("Yes.", 0.45, -2.4))


def test_a_tone_under_nothing_or_with_words_without_speech_does_not() -> None:
    assert not is_speech(over_tone(0 * _SPEECH + 1e-6, -90), decoding("Yes.", 0.45, -2.4))
    assert not is_speech(over_tone(_SPEECH, 0), decoding("Beep.", 0.75, -2.4))


def timed(*words: tuple[str, float]) -> Decoding:
    """Return a decoding whose words begin at these seconds."""
    spoken = tuple(
        DecodedWord(text=text, tokens=(number,), start_samples=int(start * SAMPLE_RATE))
        for number, (text, start) in enumerate(words)
    )
    return Decoding((Hypothesis(spoken, -0.2),), 0.05, "en-US")


def test_a_text_whose_last_word_is_followed_by_a_voice_ends_early() -> None:
    speech = samples_of(clip_pcm("quick.wav"))
    assert ends_early(speech, timed(("the", 0.2), ("quick", 0.4)))
    assert not ends_early(speech, timed(("lazy", 1.6), ("dog", len(speech) / SAMPLE_RATE - 0.4)))
    assert not ends_early(speech, timed())
    silence = np.zeros(2 * SAMPLE_RATE, dtype=np.float32)
    assert not ends_early(np.concatenate([_SPEECH, silence]).astype(np.float32), timed(("yes", 0.1)))


def test_vowels_and_tones_are_voiced_and_noise_is_not() -> None:
    assert voiced_seconds(_NOISE) == 0
    assert voiced_seconds(_TONE) == pytest.approx(2.0, abs=0.05)
    assert 0.1 < voiced_seconds(_SPEECH) < len(_SPEECH) / SAMPLE_RATE


# 24 s fill the encoder's window, and there the model is the most talkative.
@pytest.mark.parametrize(
    ("seconds", "names"),
    [
        (1.3, tiered(("silence", "typing", "hum"), ("silence", "tone", "typing", "drums", "hum"))),
        (24.0, tiered(("applause",), ("low tone", "applause"))),
    ],
)
def test_no_sound_without_speech_has_words(whisper: Whisper, seconds: float, names: tuple[str, ...]) -> None:
    phonetic_forms = {name: nonspeech(name, seconds) for name in names}
    assert [name for name, sound in phonetic_forms.items() if is_speech(sound, whisper.decode(sound))] == []


@pytest.mark.parametrize("clip", ["yes.wav", "train.wav"])
def test_speech_in_noise_is_found(whisper: Whisper, clip: str) -> None:
    speech = samples_of(clip_pcm(clip))
    level = 10 ** (-10 / 20) * float(np.sqrt(np.mean(speech**2)))
    noisy = (speech + level * np.random.default_rng(5).standard_normal(len(speech))).astype(np.float32)
    assert is_speech(noisy, whisper.decode(noisy))


def aligned(text: str, ends_seconds: list[float]) -> Decoding:
    words = tuple(
        DecodedWord(text=word, tokens=(number,), end_samples=int(end * SAMPLE_RATE))
        for number, (word, end) in enumerate(zip(text.split(), ends_seconds, strict=True))
    )
    return Decoding((Hypothesis(words, -0.2),), 0.0, "en-US")


@pytest.mark.parametrize(
    ("text", "ends_seconds", "kept_tokens", "result"),
    [
        ("Yes. Thank you.", [0.75, 1.2, 1.6], 0, "Yes."),
        ("Yes. Thanks for watching!", [0.75, 1.2, 1.5, 1.6], 0, "Yes."),
        ("Yes. Thank you.", [0.75, 1.2, 1.6], 3, "Yes. Thank you."),
        ("Thank you.", [0.4, 0.75], 0, "Thank you."),
        ("Oh, thank you.", [0.05, 0.4, 0.75], 0, "Oh, thank you."),
        ("Yes, I thank", [0.05, 0.4, 0.75], 0, "Yes, I thank"),
    ],
)
def test_thanks_after_the_voice_are_removed(
    text: str, ends_seconds: list[float], kept_tokens: int, result: str
) -> None:
    samples = np.concatenate([_SPEECH, np.zeros(SAMPLE_RATE, dtype=np.float32)])
    assert without_ghost_thanks(samples, aligned(text, ends_seconds), kept_tokens).best.text == result
