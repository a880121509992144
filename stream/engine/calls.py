"""How the model of a call decodes its utterances: what it is able to do, its decoder, and how an utterance begins."""

from collections.abc import Mapping

from stream.engine.decoder import Decoder, PlainDecoder, StreamingDecoder
from stream.engine.model.protocols import AnyModel, StreamingModel
from stream.engine.model.whisper import Whisper
from stream.engine.options import CallOptions
from stream.engine.recognition import AnyUtterance
from stream.engine.recognition import Decoder as AnyDecoder
from stream.engine.streaming_utterance import StreamingUtterance
from stream.engine.utterance import Utterance

_YES, _NO = "true", "false"


def abilities(model: AnyModel) -> Mapping[str, str]:
    """Return what a model does beyond recognizing, as its row of the configuration says it."""
    is_whisper = isinstance(model, Whisper)
    settles_words = is_whisper or isinstance(model, StreamingModel)
    return {"stable_words": _YES if settles_words else _NO, "closed_vocabulary": _YES if is_whisper else _NO}


class CallModel:
    """The `decoder` of one call and its utterances; phrases have an effect with Whisper only."""

    def __init__(self, model: AnyModel, language: str, options: CallOptions) -> None:
        self._model = model
        self._language = language
        self._options = options
        self.decoder = self._decoder()

    def open_utterance(self, start_samples: int) -> AnyUtterance:
        """Begin an utterance at sample `start_samples` of the call."""
        options = self._options
        if isinstance(self._model, StreamingModel):
            return StreamingUtterance(
                start_samples,
                self._model.open(self._language),
                first_pass_samples=options.first_pass_samples,
                hangover_samples=options.hangover_samples,
            )
        keeps_prefix = isinstance(self._model, Whisper)
        return Utterance(start_samples, options.first_pass_samples, keeps_prefix=keeps_prefix)

    def _decoder(self) -> AnyDecoder:
        if isinstance(self._model, Whisper):
            return Decoder(self._model, self._options, self._language)
        if isinstance(self._model, StreamingModel):
            return StreamingDecoder(self._language)
        return PlainDecoder(self._model, self._options, self._language)
