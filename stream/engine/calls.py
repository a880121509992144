"""How the model of a call decodes its utterances: what it is able to do, its decoder, and how an utterance begins."""

from collections.abc import Mapping

from stream.engine.decoder import Decoder, PairedDecoder, PlainDecoder, StreamingDecoder
from stream.engine.model.protocols import AnyModel, ModelPair, OfflineModel, StreamingModel
from stream.engine.model.whisper import Whisper
from stream.engine.options import CallOptions
from stream.engine.recognition import AnyUtterance
from stream.engine.recognition import Decoder as AnyDecoder
from stream.engine.streaming_utterance import StreamingUtterance
from stream.engine.utterance import Utterance

_YES, _NO = "true", "false"


def abilities(model: AnyModel) -> Mapping[str, str]:
    """Return what a model does beyond recognizing, as its row of the configuration says it."""
    settles_words = isinstance(model, Whisper | StreamingModel)
    finals = model.finals if isinstance(model, ModelPair) else model
    return {
        "stable_words": _YES if settles_words else _NO,
        "closed_vocabulary": _YES if isinstance(finals, Whisper) else _NO,
    }


class CallModel:
    """The `decoder` of one call and its utterances; phrases have an effect with Whisper only."""

    def __init__(self, model: AnyModel, language: str, options: CallOptions) -> None:
        self._options = options
        if isinstance(model, ModelPair):
            self._growing: OfflineModel | StreamingModel = model.drafts
            self._language = model.drafts.match_language(options.language_code) or ""
            self.decoder: AnyDecoder = PairedDecoder(self._drafts(), _finals(model.finals, options, language))
        else:
            self._growing = model
            self._language = language
            if isinstance(model, StreamingModel):
                self.decoder = StreamingDecoder(language)
            else:
                self.decoder = _finals(model, options, language)
        self._is_alone = not isinstance(model, ModelPair)

    def open_utterance(self, start_samples: int) -> AnyUtterance:
        """Begin an utterance at sample `start_samples` of the call."""
        options = self._options
        if isinstance(self._growing, StreamingModel):
            return StreamingUtterance(
                start_samples,
                self._growing.open(self._language),
                first_pass_samples=options.first_pass_samples,
                hangover_samples=options.hangover_samples,
                settles_words=self._is_alone,
            )
        keeps_prefix = self._is_alone and isinstance(self._growing, Whisper)
        return Utterance(start_samples, options.first_pass_samples, keeps_prefix=keeps_prefix)

    def _drafts(self) -> PlainDecoder | StreamingDecoder:
        if isinstance(self._growing, StreamingModel):
            return StreamingDecoder(self._language)
        return PlainDecoder(self._growing, self._options, self._language)


def _finals(model: OfflineModel, options: CallOptions, language: str) -> Decoder | PlainDecoder:
    if isinstance(model, Whisper):
        return Decoder(model, options, language)
    return PlainDecoder(model, options, language)
