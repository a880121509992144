"""A tone model of each kind, in a directory as its release has it, and a text that all of them recognize."""

from collections.abc import Callable, Mapping
from pathlib import Path

from stream.engine.model.sherpa.files import Kind
from tests.support.models.icefall import write_streaming_zipformer, write_streaming_zipformer_ctc, write_zipformer
from tests.support.models.nemo import (
    write_nemo_ctc,
    write_nemo_transducer,
    write_streaming_nemo_ctc,
    write_streaming_nemo_transducer,
)
from tests.support.models.sense_voice import write_sense_voice
from tests.support.models.tones import Vocabulary, spoken

VOCABULARY = Vocabulary(("▁al", "pha", "▁bra", "vo", "▁char", "lie", "▁delta"))
_WITH_BLANK_FIRST = Vocabulary(VOCABULARY.tokens, is_blank_first=True)

_WRITERS: Mapping[Kind, tuple[Callable[[Path, Vocabulary], None], Vocabulary]] = {
    Kind.NEMO_CTC: (write_nemo_ctc, VOCABULARY),
    Kind.NEMO_TRANSDUCER: (write_nemo_transducer, VOCABULARY),
    Kind.TRANSDUCER: (write_zipformer, _WITH_BLANK_FIRST),
    Kind.SENSE_VOICE: (write_sense_voice, _WITH_BLANK_FIRST),
    Kind.STREAMING_NEMO_CTC: (write_streaming_nemo_ctc, VOCABULARY),
    Kind.STREAMING_NEMO_TRANSDUCER: (write_streaming_nemo_transducer, VOCABULARY),
    Kind.STREAMING_ZIPFORMER_CTC: (write_streaming_zipformer_ctc, _WITH_BLANK_FIRST),
    Kind.STREAMING_TRANSDUCER: (write_streaming_zipformer, _WITH_BLANK_FIRST),
}
OFFLINE = tuple(kind for kind in _WRITERS if not kind.is_streaming)
STREAMING = tuple(kind for kind in _WRITERS if kind.is_streaming)

# Tokens and their seconds, "" for silence; no token follows itself, which transducers of tones cannot tell.
SCRIPT = (
    *(("", 0.5), ("▁al", 0.24), ("pha", 0.24), ("", 0.3), ("▁bra", 0.3), ("vo", 0.24)),
    *(("", 0.4), ("▁delta", 0.32), ("", 0.66)),
)
PCM = spoken(VOCABULARY, SCRIPT)
TEXT = "alpha bravo delta"
# The start and the end of each word in seconds.
SPANS = ((0.5, 0.98), (1.28, 1.82), (2.22, 2.54))

# When its tokens begin to sound, in seconds, and the text from then on.
ONSETS = (0.5, 0.74, 1.28, 1.58, 2.22)
GROWTH = ("al", "alpha", "alpha bra", "alpha bravo", TEXT)


def written(kind: Kind, parent: Path, name: str = "tones-en") -> Path:
    """Write a model into a new directory of `parent`, whose name says that it is for English, and return that."""
    directory = parent / name
    directory.mkdir()
    write, vocabulary = _WRITERS[kind]
    write(directory, vocabulary)
    return directory
