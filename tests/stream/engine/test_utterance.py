from dataclasses import dataclass, field

import pytest

from stream.engine.features import Samples
from stream.engine.readings import DecodedWord, Decoding, Reading, Search
from stream.engine.utterance import Utterance, UtteranceState
from stream.engine.whisper import Whisper
from tests.sounds import clip_pcm, clip_texts
from tests.stream.engine.calls import SECOND_BYTES, noise, silence, tone, words_of

HALF_SECOND = silence(0.5)


@dataclass
class ScriptedDecoder:
    """Says the next of `texts`, whatever the sound; each word is one token, the same word the same token."""

    texts: list[str]
    no_speech_prob: float = 0.0
    prefixes: list[tuple[int, ...]] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)

    def decode(self, samples: Samples, language: str, search: Search, *, align: bool = False) -> Decoding:
        self.prefixes.append(search.prefix)
        self.languages.append(language)
        words = tuple(DecodedWord(word, (token_of(word),)) for word in self.texts.pop(0).split())
        return Decoding((Reading(words),) * search.alternatives, self.no_speech_prob, "en-US")


def token_of(word: str) -> int:
    return sum(ord(letter) << 8 * place for place, letter in enumerate(word))


def hear(utterance: Utterance, decoder: ScriptedDecoder | Whisper) -> tuple[str, str]:
    samples = utterance.begin_partial()
    partial = utterance.heard_partial(utterance.decode_partial(decoder, samples), len(samples))
    return partial.stable, partial.tail


def long_utterance() -> Utterance:
    utterance = Utterance(0, "")
    utterance.append(silence(2))
    return utterance


def test_the_first_partial_needs_800_ms_and_the_next_500_ms_more() -> None:
    utterance = Utterance(0, "en-US")
    utterance.append(silence(0.8)[2:])
    assert not utterance.wants_partial
    utterance.append(b"\0\0")
    assert utterance.wants_partial
    assert len(utterance.begin_partial()) == 12_800
    utterance.append(HALF_SECOND[2:])
    assert not utterance.wants_partial
    utterance.append(b"\0\0")
    assert utterance.wants_partial


def test_a_complete_utterance_wants_no_partial() -> None:
    utterance = long_utterance()
    utterance.complete()
    assert not utterance.wants_partial
    assert utterance.state is UtteranceState.COMPLETE


def test_four_decodes_settle_what_they_agree_on_short_of_the_sealing_and_the_last_word() -> None:
    utterance = long_utterance()
    decoder = ScriptedDecoder(["a b c d e"] * 4)
    assert {hear(utterance, decoder) for _ in range(3)} == {("", "a b c d e")}
    assert hear(utterance, decoder) == ("a b c", " d e")


def test_decodes_that_disagree_settle_only_what_comes_before() -> None:
    utterance = long_utterance()
    decoder = ScriptedDecoder(["a b c d e", "a b X d e", "a b c d e", "a b c d e"])
    assert [hear(utterance, decoder) for _ in range(4)][-1] == ("a", " b c d e")


def test_what_was_heard_in_less_than_two_seconds_settles_nothing() -> None:
    utterance = Utterance(0, "")
    utterance.append(silence(1.9))
    decoder = ScriptedDecoder(["a b c d e"] * 5)
    assert {hear(utterance, decoder) for _ in range(5)} == {("", "a b c d e")}


def test_settled_words_and_the_seal_lead_the_next_decode_and_fix_the_language() -> None:
    utterance = long_utterance()
    decoder = ScriptedDecoder(["a b c d e"] * 5)
    for _ in range(5):
        hear(utterance, decoder)
    assert decoder.prefixes == [(), (), (), (), tuple(map(token_of, "abcd"))]
    assert decoder.languages == ["", "", "", "", "en-US"]


def test_a_shorter_agreement_takes_nothing_back() -> None:
    utterance = long_utterance()
    decoder = ScriptedDecoder(["a b c d e"] * 4 + ["a b c d"] * 4)
    assert [hear(utterance, decoder)[0] for _ in range(8)][3:] == ["a b c"] * 5


def test_nobody_speaking_gives_no_words_and_an_empty_final() -> None:
    utterance = long_utterance()
    decoder = ScriptedDecoder(["you", "you"], no_speech_prob=0.9)
    assert hear(utterance, decoder) == ("", "")
    utterance.complete()
    assert utterance.heard_final(utterance.decode_final(decoder, 1, align=False)) == ()
    assert utterance.state is UtteranceState.SETTLED


def test_settled_words_are_kept_even_when_the_rest_is_taken_for_silence() -> None:
    utterance = long_utterance()
    decoder = ScriptedDecoder(["a b c d e"] * 5)
    for _ in range(4):
        hear(utterance, decoder)
    decoder.no_speech_prob = 0.9
    utterance.complete()
    (reading,) = utterance.heard_final(utterance.decode_final(decoder, 1, align=False))
    assert reading.text == "a b c d e"


@pytest.mark.parametrize("step_ms", [500, 700, 1100])
def test_stable_words_of_real_speech_never_change_and_lead_the_final(whisper: Whisper, step_ms: int) -> None:
    texts = clip_texts()
    clips = ["library.wav", "weather.wav", "train.wav"]
    pcm = b"".join(clip_pcm(clip) for clip in clips)
    utterance = Utterance(0, "en-US")
    stable: list[str] = []
    step_bytes = SECOND_BYTES * step_ms // 1000
    for start in range(0, len(pcm), step_bytes):
        utterance.append(pcm[start : start + step_bytes])
        if utterance.wants_partial:
            now, tail = hear(utterance, whisper)
            assert now.split()[: len(stable)] == stable
            assert not tail or tail.startswith(" ") == bool(now)
            stable = now.split()
    assert len(stable) > 15
    utterance.complete()
    readings = utterance.heard_final(utterance.decode_final(whisper, 3, align=True))
    assert all([word.text for word in reading.words][: len(stable)] == stable for reading in readings)
    assert words_of(readings[0].text) == words_of(" ".join(texts[clip] for clip in clips))


@pytest.mark.parametrize("sound", [silence(2), noise(3), noise(10, 0.005), tone(2), silence(0.05)])
def test_silence_noise_and_a_tone_have_an_empty_final(whisper: Whisper, sound: bytes) -> None:
    utterance = Utterance(0, "en-US")
    utterance.append(sound)
    utterance.complete()
    assert utterance.heard_final(utterance.decode_final(whisper, 1, align=True)) == ()
