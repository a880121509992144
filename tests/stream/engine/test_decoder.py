from dataclasses import replace
from itertools import product

import pytest
from riva.client.proto import riva_asr_pb2 as asr

from stream.engine.audio_options import audio_options
from stream.engine.decoder import Decoder
from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import Decoding, Search
from stream.engine.model.whisper import Whisper
from stream.engine.options import CallOptions
from stream.engine.scheduling.work import DecodeRequest, Work
from tests.stream.engine.support.calls import noise, silence, tone, words_of
from tests.support.nonspeech import pcm_of, signal_tone
from tests.support.sounds import clip_pcm
from tests.support.tiers import tiered
from vad import SegmenterOptions


def options(*, phrases: tuple[str, ...] = (), closed_vocabulary: bool = False, word_times: bool = True) -> CallOptions:
    return CallOptions(
        language_code="en-US",
        audio=audio_options(asr.RecognitionConfig()),
        alternatives=1,
        word_times=word_times,
        segmenter=SegmenterOptions(hangover_frames=60),
        phrases=phrases,
        closed_vocabulary=closed_vocabulary,
    )


def request(
    pcm: bytes, work: Work = Work.FINAL, prefix: tuple[int, ...] = (), sent_tokens: tuple[int, ...] = ()
) -> DecodeRequest:
    return DecodeRequest(
        work=work, samples=samples_of(pcm), language="", search=Search(prefix=prefix), sent_tokens=sent_tokens
    )


@pytest.mark.parametrize(
    ("work", "has_times"),
    [(Work.FINAL, True), (Work.EARLY_FINAL, True), (Work.PARTIAL, False), (Work.FILE, True)],
)
def test_finals_have_word_times_and_partials_do_without(whisper: Whisper, work: Work, has_times: bool) -> None:
    decoding = Decoder(whisper, options(), "en-US").decode(request(clip_pcm("quick.wav"), work))
    assert words_of(decoding.best.text)[-2:] == ["lazy", "dog"]
    assert (decoding.best.words[-1].end_samples > 0) == has_times


def test_who_asks_for_no_word_times_gets_none(whisper: Whisper) -> None:
    decoding = Decoder(whisper, options(word_times=False), "en-US").decode(request(clip_pcm("quick.wav")))
    assert {word.end_samples for word in decoding.best.words} == {0}


_WORDLESS = [silence(2), noise(3), noise(10, 0.005), tone(2), silence(0.05)]


@pytest.mark.parametrize(
    ("work", "sound"), [*product([Work.FINAL], _WORDLESS), *product([Work.PARTIAL], tiered(_WORDLESS[:1], _WORDLESS))]
)
def test_silence_noise_and_a_tone_have_no_words(whisper: Whisper, work: Work, sound: bytes) -> None:
    assert Decoder(whisper, options(), "en-US").decode(request(sound, work)).best.words == ()


def test_a_ringing_tone_is_not_decoded(whisper: Whisper, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(whisper, options(), "en-US")
    monkeypatch.setattr(whisper, "encode_and_generate", None)
    monkeypatch.setattr(whisper, "decode", None)
    ringing = signal_tone(425, on_seconds=1.0, off_seconds=1.0, seconds=2.0)
    assert decoder.decode(request(pcm_of(ringing))).best.words == ()


@pytest.mark.parametrize("work", [Work.FINAL, Work.FILE])
def test_a_text_that_ends_before_the_speech_is_decoded_again(
    whisper: Whisper, monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    searches = end_early(whisper, monkeypatch)
    decoding = Decoder(whisper, options(), "en-US").decode(request(clip_pcm("quick.wav"), work))
    assert words_of(decoding.best.text)[-2:] == ["lazy", "dog"]
    assert [search.is_padded_fully for search in searches] == [False, True]


def test_a_partial_that_ends_early_waits_for_the_next(whisper: Whisper, monkeypatch: pytest.MonkeyPatch) -> None:
    searches = end_early(whisper, monkeypatch)
    decoding = Decoder(whisper, options(), "en-US").decode(request(clip_pcm("quick.wav"), Work.PARTIAL))
    assert len(decoding.best.words) == 2
    assert len(searches) == 1


def end_early(whisper: Whisper, monkeypatch: pytest.MonkeyPatch) -> list[Search]:
    """Let the decoder stop after two words unless the audio has its full padding; return its searches."""
    searches: list[Search] = []
    decode = whisper.decode

    def stopped(samples: Samples, language: str, search: Search, *, align: bool) -> Decoding:
        searches.append(search)
        decoding = decode(samples, language, search, align=align)
        if search.is_padded_fully:
            return decoding
        return replace(decoding, hypotheses=(replace(decoding.best, words=decoding.best.words[:2]),))

    monkeypatch.setattr(whisper, "decode", stopped)
    return searches


def test_settled_words_are_kept_even_when_the_sound_is_taken_for_silence(whisper: Whisper) -> None:
    prefix = whisper.decode(samples_of(clip_pcm("quick.wav"))).best.tokens[:4]
    decoding = Decoder(whisper, options(), "en-US").decode(request(silence(3), prefix=prefix))
    assert decoding.best.tokens[:4] == prefix


def test_words_that_were_shown_are_not_taken_back_for_nothing(whisper: Whisper) -> None:
    sent = whisper.decode(samples_of(clip_pcm("quick.wav"))).best.tokens[:2]
    decoding = Decoder(whisper, options(), "en-US").decode(request(silence(3), sent_tokens=sent))
    assert decoding.best.has_words


def test_a_closed_vocabulary_hears_its_entries_and_has_no_partials(whisper: Whisper) -> None:
    decoder = Decoder(whisper, options(phrases=("yes", "no", "maybe"), closed_vocabulary=True), "en-US")
    assert not decoder.has_partials
    assert decoder.decode(request(clip_pcm("yes.wav"))).best.text == "yes"
    assert decoder.decode(request(silence(2))).best.words == ()


def test_phrases_without_a_closed_vocabulary_leave_other_words_alone(whisper: Whisper) -> None:
    decoder = Decoder(whisper, options(phrases=("Sweynheym", "Pannartz", "Subiaco")), "en-US")
    assert decoder.has_partials
    assert words_of(decoder.decode(request(clip_pcm("train.wav"))).best.text) == words_of(
        whisper.decode(samples_of(clip_pcm("train.wav"))).best.text
    )


def test_verbatim_texts_have_numbers_in_words(whisper: Whisper) -> None:
    texts = [
        Decoder(whisper, replace(options(), is_verbatim=is_verbatim), "en-US")
        .decode(request(clip_pcm("train.wav")))
        .best.text
        for is_verbatim in (False, True)
    ]
    assert texts == [f"The next train to the city leaves from platform {number}." for number in ("4", "four")]
