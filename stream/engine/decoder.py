"""Decode the audio of one call by its model: freely, with a bias towards phrases, or in a closed vocabulary."""

from dataclasses import replace

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import Decoding, Hypothesis, Search
from stream.engine.model.protocols import OfflineModel
from stream.engine.model.repetition import is_repetitive
from stream.engine.model.whisper import Whisper
from stream.engine.options import CallOptions
from stream.engine.scheduling.work import DecodeRequest, Work
from stream.engine.text.bias import BiasedWhisper
from stream.engine.text.candidates import Candidates
from stream.engine.text.speech_check import ends_early, is_speech, without_ghost_thanks
from stream.engine.text.tones import is_clear_tone


class Decoder:
    """The decoder of one call, chosen by its options; `language` as `Whisper.decode` takes it."""

    def __init__(self, whisper: Whisper, options: CallOptions, language: str) -> None:
        self._language = language
        self._tokens = whisper.tokens
        self._options = options
        self._free: Whisper | BiasedWhisper = whisper
        self._candidates: Candidates | None = None
        if options.phrases and options.closed_vocabulary:
            self._candidates = Candidates(whisper, options.phrases)
        elif options.phrases:
            self._free = BiasedWhisper(whisper, options.phrases, options.boost)

    @property
    def has_partials(self) -> bool:
        """Whether partials make sense: a closed vocabulary has finals only, because half an entry is no entry."""
        return self._candidates is None

    def decode(self, request: DecodeRequest) -> Decoding:
        """Recognize, blocking until done; the best hypothesis has no words if there is no speech."""
        options = self._options
        language = request.language or self._language
        if not (request.search.prefix or request.sent_tokens) and is_clear_tone(request.samples):
            return Decoding((Hypothesis(),), 1.0, language)
        if self._candidates is not None:
            decoding = self._candidates.recognize(request.samples, language, alternatives=options.decoded_alternatives)
            return decoding if decoding.hypotheses else _nothing(decoding)
        align = request.work is not Work.PARTIAL and options.word_times
        # Without the tokens of numerals the model writes numbers as they are spoken.
        suppressed = self._tokens.numerals if options.is_verbatim else ()
        search = replace(request.search, suppressed=suppressed)
        decoding = self._free.decode(request.samples, language, search, align=align)
        # Words that the client has seen count as speech, whatever the check makes of the whole utterance.
        if not (request.search.prefix or request.sent_tokens or is_speech(request.samples, decoding)):
            return _nothing(decoding)
        if request.sent_tokens and not decoding.best.has_words:
            search = replace(search, prefix=request.sent_tokens)
            decoding = self._free.decode(request.samples, language, search, align=align)
        if align and ends_early(request.samples, decoding):
            decoding = self._whole(decoding, request.samples, language, search)
        if align:
            kept_tokens = max(len(request.search.prefix), len(request.sent_tokens))
            decoding = without_ghost_thanks(request.samples, decoding, kept_tokens)
        return decoding.ranked

    def _whole(self, decoding: Decoding, samples: Samples, language: str, search: Search) -> Decoding:
        """Decode again with the full padding, because the text ends before the speech; keep the longer text."""
        again = self._free.decode(samples, language, replace(search, is_padded_fully=True), align=True)
        is_longer = len(again.best.words) > len(decoding.best.words) and not is_repetitive(again.best.text)
        return again if is_longer else decoding


class PlainDecoder:
    """The decoder of one call with a model that has no phrases and keeps no prefix; `language` as `decode` takes it."""

    has_partials = True

    def __init__(self, model: OfflineModel, options: CallOptions, language: str) -> None:
        self._model = model
        self._options = options
        self._language = language

    def decode(self, request: DecodeRequest) -> Decoding:
        """Recognize, blocking until done; the best hypothesis has no words if there is no speech."""
        language = request.language or self._language
        checks = self._model.is_generative and not request.sent_tokens
        if checks and is_clear_tone(request.samples):
            return Decoding((Hypothesis(),), 1.0, language)
        align = request.work is not Work.PARTIAL and self._options.word_times
        decoding = self._model.decode(request.samples, language, request.search, align=align)
        return _nothing(decoding) if checks and not is_speech(request.samples, decoding) else decoding


class StreamingDecoder:
    """The decoder of one call with a streaming model, whose state is in the requests."""

    has_partials = True

    def __init__(self, language: str) -> None:
        self._language = language

    def decode(self, request: DecodeRequest) -> Decoding:
        """Let the model take the new audio, blocking until done; settle the text unless more audio follows."""
        if request.stream is None:
            raise ValueError("a streaming model decodes the audio of an open utterance")
        hypothesis = request.stream.feed(request.samples[request.fed_samples :])
        if request.work is not Work.PARTIAL:
            hypothesis = request.stream.finish(request.samples)
        return Decoding((hypothesis,), 0.0, self._language)


class PairedDecoder:
    """The decoder of one call with two models: one for what is shown, the other for what is settled."""

    def __init__(self, drafts: PlainDecoder | StreamingDecoder, finals: Decoder | PlainDecoder) -> None:
        self._drafts = drafts
        self._finals = finals

    @property
    def has_partials(self) -> bool:
        """Whether partials make sense: with a closed vocabulary they do not."""
        return self._finals.has_partials

    def decode(self, request: DecodeRequest) -> Decoding:
        """Recognize, blocking until done; where the second model finds no words, what was shown stays."""
        if request.work is Work.PARTIAL:
            return self._drafts.decode(request)
        search = Search(alternatives=request.search.alternatives)
        decoding = self._finals.decode(
            DecodeRequest(work=request.work, samples=request.samples, language="", search=search)
        )
        return self._drafts.decode(request) if request.sent_tokens and not decoding.best.has_words else decoding


def _nothing(decoding: Decoding) -> Decoding:
    return Decoding((Hypothesis(),), decoding.no_speech_prob, decoding.language)
