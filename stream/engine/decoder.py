"""Owns how the sound of one call is heard: freely, with a bias towards phrases, or as one of a closed vocabulary."""

from dataclasses import replace

from stream.engine.model.hypotheses import Decoding, Reading
from stream.engine.model.whisper import Whisper
from stream.engine.scheduling.work import Hearing, Work
from stream.engine.server.options import CallOptions
from stream.engine.text.bias import BiasedWhisper
from stream.engine.text.candidates import Candidates
from stream.engine.text.speech_check import is_speech


class Decoder:
    """Decodes what utterances of one call want decoded; `language` as `Whisper.decode` takes it."""

    def __init__(self, whisper: Whisper, options: CallOptions, language: str) -> None:
        self._language = language
        self._options = options
        self._free: Whisper | BiasedWhisper = whisper
        self._candidates: Candidates | None = None
        if options.phrases and options.closed_vocabulary:
            self._candidates = Candidates(whisper, options.phrases)
        elif options.phrases:
            self._free = BiasedWhisper(whisper, options.phrases, options.boost)

    @property
    def has_partials(self) -> bool:
        """Half an entry of a closed vocabulary is none, so such calls have finals only."""
        return self._candidates is None

    def decode(self, hearing: Hearing) -> Decoding:
        """Recognize, blocking for the time of the work; the best reading has no words when nobody spoke."""
        options = self._options
        language = hearing.language or self._language
        if self._candidates is not None:
            decoding = self._candidates.recognize(hearing.samples, language, alternatives=options.alternatives)
            return decoding if decoding.readings else _nothing(decoding)
        align = hearing.work is not Work.PARTIAL and options.word_times
        decoding = self._free.decode(hearing.samples, language, hearing.search, align=align)
        # Words that the caller has seen were spoken, whatever the whole sounds like.
        if not (hearing.search.prefix or hearing.shown or is_speech(hearing.samples, decoding)):
            return _nothing(decoding)
        if hearing.shown and not decoding.best.has_words:
            search = replace(hearing.search, prefix=hearing.shown)
            decoding = self._free.decode(hearing.samples, language, search, align=align)
        return decoding.ranked


def _nothing(decoding: Decoding) -> Decoding:
    return Decoding((Reading(),), decoding.no_speech_prob, decoding.language)
