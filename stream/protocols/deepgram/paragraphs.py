"""Sentences and paragraphs of a recording, by punctuation and pauses."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.protocols.deepgram.messages import Seconds
from stream.protocols.units import seconds
from stream.session.events import Word
from vad import SAMPLE_RATE

# A paragraph ends with a pause of this length behind a sentence, or after so many sentences.
_PAUSE_SAMPLES = 3 * SAMPLE_RATE // 2
_MOST_SENTENCES = 5
_ENDS = (".", "?", "!", "…", "。", "？", "！", "؟", "۔", "।")
_CLOSING = "\"')]}»”’"


class DeepgramSentence(msgspec.Struct, frozen=True):
    """A sentence; `start` and `end` in seconds."""

    text: Annotated[str, Meta(description="its words")]
    start: Seconds
    end: Seconds


class DeepgramParagraph(msgspec.Struct, frozen=True):
    """Sentences that belong together; `start` and `end` in seconds."""

    sentences: Annotated[list[DeepgramSentence], Meta(description="in their order")]
    num_words: Annotated[int, Meta(description="how many words it has")]
    start: Seconds
    end: Seconds


class DeepgramParagraphs(msgspec.Struct, frozen=True):
    """The text of a channel, with an empty line before each paragraph, and its paragraphs."""

    transcript: str
    paragraphs: Annotated[list[DeepgramParagraph], Meta(description="in their order")]


def paragraphs(utterances: Iterable[Sequence[Word]]) -> DeepgramParagraphs:
    """Return the paragraphs of the words of a channel, by utterance."""
    made: list[DeepgramParagraph] = []
    open_: list[Sequence[Word]] = []
    for sentence in _sentences(utterances):
        if open_ and (len(open_) == _MOST_SENTENCES or sentence[0].start - open_[-1][-1].end >= _PAUSE_SAMPLES):
            made.append(_paragraph(open_))
            open_ = []
        open_.append(sentence)
    if open_:
        made.append(_paragraph(open_))
    texts = (" ".join(sentence.text for sentence in one.sentences) for one in made)
    return DeepgramParagraphs("".join(f"\n{text}\n" for text in texts), made)


def _sentences(utterances: Iterable[Sequence[Word]]) -> Iterator[Sequence[Word]]:
    """Yield the words of each sentence; an utterance ends one as well."""
    for words in utterances:
        first = 0
        for number, word in enumerate(words, start=1):
            if number == len(words) or word.text.rstrip(_CLOSING).endswith(_ENDS):
                yield words[first:number]
                first = number


def _paragraph(sentences: Sequence[Sequence[Word]]) -> DeepgramParagraph:
    made = [
        DeepgramSentence(" ".join(word.text for word in words), seconds(words[0].start), seconds(words[-1].end))
        for words in sentences
    ]
    return DeepgramParagraph(made, sum(map(len, sentences)), made[0].start, made[-1].end)
