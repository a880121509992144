"""Two models for one call: which one decodes what. The models say their names."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from stream.engine.calls import CallModel, abilities
from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import PLAIN_SEARCH, DecodedWord, Decoding, Hypothesis, Search
from stream.engine.model.languages import served_language
from stream.engine.model.protocols import AnyModel, ModelPair
from stream.engine.model.whisper import Whisper
from stream.engine.scheduling.work import DecodeRequest, Work
from stream.engine.streaming_utterance import StreamingUtterance
from stream.engine.utterance import Utterance
from tests.stream.engine.support.calls import words_of
from tests.stream.engine.test_decoder import options
from tests.stream.engine.test_streaming_utterance import CountingStream
from tests.support.sounds import clip_pcm, clip_texts
from vad import FRAME_BYTES, FRAME_SAMPLES

SAMPLES = np.ones(16_000, np.float32)


@dataclass
class NamingModel:
    """Writes its name, or nothing."""

    name: str
    languages: tuple[str, ...] = ("en",)
    license: str = ""
    writes: bool = True
    is_generative: bool = False
    asked: list[tuple[str, Search]] = field(default_factory=list)

    def match_language(self, language_code: str) -> str | None:
        return served_language(language_code, self.languages)

    def decode(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH, *, align: bool = False
    ) -> Decoding:
        self.asked.append((language, search))
        words = (DecodedWord(text=self.name, tokens=(1, 2)),) if self.writes else ()
        return Decoding((Hypothesis(words),), 0.0, language)


@dataclass
class StreamingNamingModel(NamingModel):
    """The same, as audio comes."""

    def open(self, language: str = "") -> CountingStream:
        self.asked.append((language, PLAIN_SEARCH))
        return CountingStream()


def text(call: CallModel, work: Work, sent_tokens: tuple[int, ...] = ()) -> str:
    request = DecodeRequest(work=work, samples=SAMPLES, language="", search=Search(), sent_tokens=sent_tokens)
    return call.decoder.decode(request).best.text


@pytest.mark.parametrize(
    ("work", "name"),
    [(Work.PARTIAL, "small"), (Work.EARLY_FINAL, "large"), (Work.FINAL, "large"), (Work.FILE, "large")],
)
def test_one_model_writes_what_is_shown_and_the_other_what_is_settled(work: Work, name: str) -> None:
    small, large = NamingModel("small", ("en",)), NamingModel("large", ("en-US", "fa"))
    assert text(CallModel(ModelPair(small, large), "en-US", options()), work) == name
    assert small.asked + large.asked == [("en" if name == "small" else "en-US", Search())]


def test_what_was_shown_stays_if_the_second_model_finds_nothing() -> None:
    call = CallModel(ModelPair(NamingModel("small"), NamingModel("large", writes=False)), "en", options())
    assert text(call, Work.FINAL) == ""
    assert text(call, Work.FINAL, sent_tokens=(1, 2)) == "small"


def test_a_streaming_model_may_write_what_is_shown() -> None:
    call = CallModel(ModelPair(StreamingNamingModel("small"), NamingModel("large")), "en", options())
    utterance = call.open_utterance(0)
    assert isinstance(utterance, StreamingUtterance)
    utterance.append(SAMPLES.astype("<i2").tobytes(), b"\1" * (len(SAMPLES) // FRAME_SAMPLES))
    step = utterance.update(request := utterance.begin(Work.PARTIAL), call.decoder.decode(request))
    assert (step.stable, step.tail) == ("", "word0 word1")
    utterance.note_sent()
    utterance.complete()
    assert call.decoder.decode(utterance.begin(Work.FINAL)).best.text == "large"


def test_no_word_of_a_pair_is_settled_before_its_final(whisper: Whisper) -> None:
    utterance = CallModel(ModelPair(whisper, whisper), "en-US", options()).open_utterance(0)
    assert isinstance(utterance, Utterance)
    pcm = clip_pcm("quick.wav")
    utterance.append(pcm, b"\1" * (len(pcm) // FRAME_BYTES))
    words = tuple(
        DecodedWord(text=word, tokens=(number,)) for number, word in enumerate(["the", "quick", "brown", "fox"])
    )
    for _ in range(5):
        utterance.update(utterance.begin(Work.PARTIAL), Decoding((Hypothesis(words),), 0.0, "en-US"))
    assert utterance.begin(Work.FINAL).search.prefix == ()


def test_a_closed_vocabulary_is_that_of_the_second_model(whisper: Whisper) -> None:
    closed = options(phrases=("the quick brown fox jumps over the lazy dog", "yes"), closed_vocabulary=True)
    call = CallModel(ModelPair(NamingModel("small"), whisper), "en-US", closed)
    assert not call.decoder.has_partials
    samples = samples_of(clip_pcm("quick.wav"))
    request = DecodeRequest(work=Work.FINAL, samples=samples, language="", search=Search())
    assert words_of(call.decoder.decode(request).best.text) == words_of(clip_texts()["quick.wav"])


def test_abilities_are_those_that_a_call_has(whisper: Whisper) -> None:
    small, streaming = NamingModel("small"), StreamingNamingModel("streaming")
    models: dict[str, AnyModel] = {
        "whisper": whisper,
        "offline": small,
        "streaming": streaming,
        "pair": ModelPair(streaming, whisper),
        "pair without whisper": ModelPair(streaming, small),
    }
    found = {
        name: (abilities(model)["stable_words"], abilities(model)["closed_vocabulary"])
        for name, model in models.items()
    }
    assert found == {
        "whisper": ("true", "true"),
        "offline": ("false", "false"),
        "streaming": ("true", "false"),
        "pair": ("false", "true"),
        "pair without whisper": ("false", "false"),
    }
