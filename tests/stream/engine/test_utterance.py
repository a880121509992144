from collections.abc import Iterator
from dataclasses import replace

import pytest

from stream.engine.model.hypotheses import DecodedWord, Decoding, Hypothesis
from stream.engine.model.whisper import Whisper
from stream.engine.scheduling.load_control import DecodeIntervals
from stream.engine.scheduling.work import DecodeRequest, Work
from stream.engine.utterance import Partial, Utterance, UtteranceState
from tests.stream.engine.support.calls import SECOND_BYTES, words_of
from tests.support.sounds import SPEECH_FRAME, clip_pcm, clip_texts
from tests.support.tiers import tiered
from vad import FRAME_BYTES, SAMPLE_RATE, STRICTEST, WebRtcClassifier

PACE = DecodeIntervals(
    step_samples=SAMPLE_RATE // 2, pause_samples=SAMPLE_RATE // 4, word_pause_samples=SAMPLE_RATE * 15 // 100
)


def speak(utterance: Utterance, seconds: float) -> None:
    for _ in range(round(seconds * 100)):
        utterance.append(SPEECH_FRAME, b"\1")


def fall_silent(utterance: Utterance, seconds: float) -> None:
    for _ in range(round(seconds * 100)):
        utterance.append(bytes(FRAME_BYTES), b"\0")


def spoken(seconds: float) -> Utterance:
    utterance = Utterance(0)
    speak(utterance, seconds)
    return utterance


def decoding_of(text: str) -> Decoding:
    words = tuple(DecodedWord(text=word, tokens=tuple(word.encode())) for word in text.split())
    return Decoding((Hypothesis(words),), 0.0, "en")


def partial_of(utterance: Utterance, text: str) -> Partial:
    return utterance.update(utterance.begin(Work.PARTIAL), decoding_of(text))


def test_the_first_partial_needs_800_ms_and_the_next_a_step_more() -> None:
    utterance = spoken(0.79)
    assert utterance.wants(PACE) is None
    speak(utterance, 0.01)
    assert utterance.wants(PACE) is Work.PARTIAL
    assert len(utterance.begin(Work.PARTIAL).samples) == 12_800
    speak(utterance, 0.49)
    assert utterance.wants(PACE) is None
    speak(utterance, 0.01)
    assert utterance.wants(PACE) is Work.PARTIAL


@pytest.mark.parametrize(("keeps_prefix", "stable"), [(True, "one two"), (False, "")])
def test_only_a_model_that_keeps_a_prefix_has_stable_words(keeps_prefix: bool, stable: str) -> None:
    utterance = Utterance(0, keeps_prefix=keeps_prefix)
    speak(utterance, 3)
    partials = [partial_of(utterance, "one two three four") for _ in range(4)]
    assert (partials[-1].stable, partials[-1].stable + partials[-1].tail) == (stable, "one two three four")
    assert bool(utterance.begin(Work.FINAL).search.prefix) == keeps_prefix


def test_sent_text_is_requested_again_and_needs_a_final_with_words() -> None:
    utterance = spoken(2)
    partial_of(utterance, "nine nine nine")
    assert utterance.begin(Work.FINAL).sent_tokens == ()
    assert utterance.keeps_settled_words(decoding_of(""))
    utterance.note_sent()
    assert utterance.begin(Work.FINAL).sent_tokens == tuple(b"ninenine")
    assert not utterance.keeps_settled_words(decoding_of(""))
    assert utterance.keeps_settled_words(decoding_of("999"))


def test_a_slower_pace_asks_for_more_sound() -> None:
    utterance = spoken(1)
    utterance.begin(Work.PARTIAL)
    speak(utterance, 1)
    assert utterance.wants(replace(PACE, step_samples=2 * SAMPLE_RATE)) is None
    assert utterance.wants(PACE) is Work.PARTIAL


def test_nothing_is_wanted_before_anybody_spoke_and_after_the_end() -> None:
    utterance = Utterance(0)
    fall_silent(utterance, 5)
    assert utterance.wants(PACE) is None
    speak(utterance, 1)
    utterance.complete()
    assert utterance.wants(PACE) is None
    assert utterance.state is UtteranceState.COMPLETE


def test_a_pause_of_250_ms_wants_an_early_final_once() -> None:
    utterance = spoken(1)
    fall_silent(utterance, 0.24)
    assert utterance.wants(PACE) is Work.PARTIAL
    fall_silent(utterance, 0.01)
    assert utterance.wants(PACE) is Work.EARLY_FINAL
    utterance.begin(Work.EARLY_FINAL)
    fall_silent(utterance, 0.35)
    assert utterance.wants(PACE) is None
    assert utterance.early_final_holds


def test_after_a_single_word_an_early_final_is_wanted_sooner() -> None:
    utterance = spoken(0.5)
    fall_silent(utterance, 0.14)
    assert utterance.wants(PACE) is None
    fall_silent(utterance, 0.01)
    assert utterance.wants(PACE) is Work.EARLY_FINAL


def test_an_early_final_after_a_short_pause_lapses_with_any_speech() -> None:
    utterance = spoken(0.5)
    fall_silent(utterance, 0.15)
    utterance.begin(Work.EARLY_FINAL)
    assert utterance.early_final_holds
    speak(utterance, 0.01)
    assert not utterance.early_final_holds
    fall_silent(utterance, 0.15)
    assert utterance.wants(PACE) is Work.EARLY_FINAL


def test_an_early_final_holds_through_a_click_and_not_through_a_word() -> None:
    utterance = spoken(1)
    fall_silent(utterance, 0.3)
    utterance.begin(Work.EARLY_FINAL)
    speak(utterance, 0.05)
    assert utterance.early_final_holds
    speak(utterance, 0.05)
    assert not utterance.early_final_holds
    fall_silent(utterance, 0.3)
    assert utterance.wants(PACE) is Work.EARLY_FINAL


def test_a_click_alone_is_not_worth_an_early_final() -> None:
    utterance = spoken(0.05)
    fall_silent(utterance, 0.4)
    assert utterance.wants(PACE) is None
    assert not utterance.early_final_holds


def test_what_seems_silent_for_long_is_decoded_all_the_same() -> None:
    utterance = spoken(1)
    fall_silent(utterance, 0.3)
    utterance.begin(Work.EARLY_FINAL)
    fall_silent(utterance, 1.49)
    assert utterance.wants(PACE) is None
    fall_silent(utterance, 0.01)
    assert utterance.wants(PACE) is Work.PARTIAL


def test_all_but_partials_ask_for_alternatives() -> None:
    utterance = spoken(1)
    asked = {work: utterance.begin(work, alternatives=3).search.alternatives for work in Work}
    assert asked == {Work.FINAL: 3, Work.EARLY_FINAL: 3, Work.PARTIAL: 1, Work.FILE: 3}


def test_less_than_two_seconds_of_audio_settle_nothing() -> None:
    utterance = spoken(1.9)
    assert [partial_of(utterance, "a b c d e").stable for _ in range(5)][-1] == ""


def test_settled_words_lead_the_next_decode_and_fix_the_language() -> None:
    utterance = spoken(2)
    before = utterance.begin(Work.PARTIAL)
    assert (before.search.prefix, before.language) == ((), "")
    assert [partial_of(utterance, "a b c d e").stable for _ in range(4)][-1] == "a b c"
    for work in Work:
        after = utterance.begin(work)
        assert (bytes(after.search.prefix), after.language) == (b"abcd", "en")


def test_an_early_final_shows_its_last_words_too() -> None:
    utterance = spoken(1)
    assert partial_of(utterance, "a b c").tail == "a b"
    partial = utterance.update(utterance.begin(Work.EARLY_FINAL), decoding_of("a b c d"))
    assert (partial.stable, partial.tail, partial.processed_samples) == ("", "a b c d", SAMPLE_RATE)


def test_a_decode_keeps_what_was_settled_since_or_does_not() -> None:
    utterance = spoken(2)
    early = decoding_of("a b c d x")
    assert utterance.keeps_settled_words(early)
    for _ in range(4):
        partial_of(utterance, "a b c d e")
    assert utterance.keeps_settled_words(early)
    assert not utterance.keeps_settled_words(decoding_of("a b X d e"))


def test_an_utterance_without_words_has_an_empty_final() -> None:
    utterance = spoken(1)
    utterance.complete()
    assert utterance.settle(decoding_of("")) == ()
    assert utterance.state is UtteranceState.SETTLED


def decoded(whisper: Whisper, request: DecodeRequest) -> Decoding:
    return whisper.decode(request.samples, "en-US", request.search)


def pieces(pcm: bytes, step_ms: int) -> Iterator[list[bytes]]:
    """Frames, a step of them at a time."""
    step_bytes = SECOND_BYTES * step_ms // 1000
    for start in range(0, len(pcm), step_bytes):
        step = pcm[start : start + step_bytes]
        yield [step[n : n + FRAME_BYTES] for n in range(0, len(step), FRAME_BYTES)]


@pytest.mark.parametrize("step_ms", tiered([700], [500, 700, 1100]))
def test_stable_words_of_real_speech_never_change_and_lead_the_final(whisper: Whisper, step_ms: int) -> None:
    texts = clip_texts()
    clips = tiered(["library.wav", "weather.wav"], ["library.wav", "weather.wav", "train.wav"])
    pcm = b"".join(clip_pcm(clip) for clip in clips)
    classifier = WebRtcClassifier(STRICTEST)
    utterance = Utterance(0)
    stable: list[str] = []
    for frames in pieces(pcm, step_ms):
        for frame in frames:
            utterance.append(frame, classifier.classify(frame) if len(frame) == FRAME_BYTES else b"\0")
        if work := utterance.wants(PACE):
            request = utterance.begin(work)
            partial = utterance.update(request, decoded(whisper, request))
            now = partial.stable.split()
            assert now[: len(stable)] == stable
            assert not partial.tail or partial.tail.startswith(" ") == bool(now)
            stable = now
    assert len(stable) > tiered(10, 15)
    utterance.complete()
    hypotheses = utterance.settle(decoded(whisper, utterance.begin(Work.FINAL, alternatives=3)))
    assert all([word.text for word in hypothesis.words][: len(stable)] == stable for hypothesis in hypotheses)
    assert words_of(hypotheses[0].text) == words_of(" ".join(texts[clip] for clip in clips))


@pytest.mark.parametrize(("first_pass_ms", "pause_ms"), [(150, 150), (50, 100), (600, 250), (None, 250)])
def test_a_first_pass_asks_for_a_sooner_early_final(first_pass_ms: int | None, pause_ms: int) -> None:
    utterance = Utterance(0, first_pass_ms and first_pass_ms * SAMPLE_RATE // 1000)
    speak(utterance, 1.2)
    utterance.begin(Work.PARTIAL)
    fall_silent(utterance, pause_ms / 1000 - 0.01)
    assert utterance.wants(PACE) is None
    fall_silent(utterance, 0.01)
    assert utterance.wants(PACE) is Work.EARLY_FINAL


def test_under_load_a_first_pass_waits_like_any_early_final() -> None:
    utterance = Utterance(0, SAMPLE_RATE // 10)
    speak(utterance, 1.2)
    utterance.begin(Work.PARTIAL)
    fall_silent(utterance, 0.24)
    assert utterance.wants(replace(PACE, is_longer=True)) is None


def test_the_end_of_a_text_that_is_not_shown_is_as_likely_as_not() -> None:
    utterance = Utterance(0, SAMPLE_RATE // 10)
    speak(utterance, 1.2)
    sure = replace(decoding_of("It is."), ending_confidence=0.9)
    assert utterance.update(utterance.begin(Work.EARLY_FINAL), sure).ending_confidence == 0.9
    speak(utterance, 1.2)
    contradicting = replace(decoding_of("That was it."), ending_confidence=0.9)
    partial = utterance.update(utterance.begin(Work.EARLY_FINAL), contradicting)
    assert (partial.tail, partial.ending_confidence) == ("It is.", 0.5)
