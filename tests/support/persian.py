"""A recognizer of Persian for tests: the words of a sentence with half-spaces and a Latin name, one after the other."""

from collections.abc import AsyncIterator
from dataclasses import replace

from stream.session.events import Alternative, Hypothesis
from tests.support.recognizers import CountingStream, ScriptedRecognizer

ZWNJ = "\u200c"
SENTENCE = f"Windows را می{ZWNJ}خواهیم، بیست و پنج نسخه برای سی نفر."
SENTENCE_IN_DIGITS = f"Windows را می{ZWNJ}خواهیم، ۲۵ نسخه برای ۳۰ نفر."
_WORDS = SENTENCE.split()


class PersianStream(CountingStream):
    """Recognizes the next word of the sentence with each quarter of a second of audio."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            yield hypothesis.with_alternatives(tuple(map(_spoken, hypothesis.alternatives)))


def persian_recognizer() -> ScriptedRecognizer:
    """Return a recognizer that serves English and Persian, and finds the sentence in both."""
    return ScriptedRecognizer(script=[PersianStream], languages=("en-US", "fa"))


def _spoken(alternative: Alternative) -> Alternative:
    words = zip(alternative.words, _WORDS, strict=False)
    return replace(alternative, words=tuple(replace(word, text=text) for word, text in words))
