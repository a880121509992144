"""The bundled model for many tests: it caches what it decoded."""

import hashlib
from collections import OrderedDict

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import PLAIN_SEARCH, Decoding, Search
from stream.engine.model.whisper import Encoded, Whisper

_Key = tuple[bytes, str, Search]
# An encoding takes 2 MB.
_MOST_ENCODED = 50


class CachingWhisper(Whisper):
    """Decodes each audio once: the result depends on the audio and the options alone."""

    def __init__(self, workers: int) -> None:
        super().__init__(None, workers)
        self._decoded: dict[tuple[_Key, bool], Decoding] = {}
        self._encodings: OrderedDict[_Key, tuple[Encoded, Decoding]] = OrderedDict()

    def decode(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH, *, align: bool = False
    ) -> Decoding:
        key = _key(samples, language, search), align
        if key not in self._decoded:
            self._decoded[key] = super().decode(samples, language, search, align=align)
        return self._decoded[key]

    def encode_and_generate(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH
    ) -> tuple[Encoded, Decoding]:
        key = _key(samples, language, search)
        encoded = self._encodings.pop(key, None) or super().encode_and_generate(samples, language, search)
        self._encodings[key] = encoded
        while len(self._encodings) > _MOST_ENCODED:
            self._encodings.popitem(last=False)
        return encoded


def _key(samples: Samples, language: str, search: Search) -> _Key:
    return hashlib.sha256(samples.tobytes()).digest(), language, search
