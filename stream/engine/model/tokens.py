"""Tokenize for Whisper: text to tokens and back, words from tokens, and the prompt of a decode."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer

from stream.engine.model.hypotheses import DecodedWord, Tokens

ENGLISH_ONLY = "en-US"
_LANGUAGE_TOKEN = re.compile(r"<\|([a-z]{2,3})\|>")
_NUMERAL = re.compile("[0-9%$£¥]|âĤ¬")  # the last is how the byte-level vocabulary writes the euro sign
_WORD_MARK = "Ġ"  # how the byte-level vocabulary writes the space that begins a word


class TokensError(Exception):
    """A tokenizer file cannot be used; the message says what is wrong with it."""


class WhisperTokens:
    """The tokens of one model, from its `tokenizer.json`; raises TokensError for one that is not Whisper's."""

    def __init__(self, path: Path, *, is_multilingual: bool) -> None:
        try:
            json.loads(path.read_bytes())  # the tokenizer library does not say what is wrong with a file
            self._tokenizer = Tokenizer.from_file(str(path))
        except (OSError, ValueError) as error:
            raise TokensError(f"{path.name}: {error}") from error
        self.end = self._special("<|endoftext|>")  # every token of text has a smaller number
        self._context_start = self._special("<|startofprev|>")
        self._start = self._special("<|startoftranscript|>")
        self._no_times = self._special("<|notimestamps|>")
        self._languages = self._find_languages() if is_multilingual else {ENGLISH_ONLY: (self._start,)}

    @cached_property
    def numerals(self) -> Tokens:
        """The tokens of text with a digit, a percent sign or the sign of a currency."""
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        return tuple(sorted(number for token, number in vocabulary.items() if _NUMERAL.search(token)))

    @property
    def languages(self) -> tuple[str, ...]:
        """The language tags of the model: `en-US` alone, or Whisper's own two-letter tags."""
        return tuple(self._languages)

    def opening(self, language: str, context: Tokens = ()) -> Tokens:
        """Return the tokens that begin a transcript in `language` after `context`, without `<|notimestamps|>`."""
        before = (self._context_start, *context) if context else ()
        return (*before, *self._languages[language])

    def prompt(self, language: str, context: Tokens = ()) -> Tokens:
        """Return all tokens before the first token of text."""
        return (*self.opening(language, context), self._no_times)

    def encode(self, text: str) -> Tokens:
        """Return the tokens of a text; a word inside a sentence needs the space before it."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, stripped."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()

    def words(self, tokens: Sequence[int]) -> tuple[DecodedWord, ...]:
        """Group tokens into words, which begin at each token with a leading space.

        Tokens with empty text stay with the word before them, so that the words hold all tokens.
        """
        begins = [index for index, token in enumerate(tokens) if index == 0 or self._begins_word(token)]
        groups = [tuple(tokens[a:b]) for a, b in pairwise([*begins, len(tokens)])]
        words: list[DecodedWord] = []
        for group in groups:
            text = self.text(group)
            if text or not words:
                words.append(DecodedWord(text=text, tokens=group))
            else:
                words[-1] = replace(words[-1], tokens=words[-1].tokens + group)
        return tuple(word for word in words if word.text)

    def _begins_word(self, token: int) -> bool:
        return str(self._tokenizer.id_to_token(token)).startswith(_WORD_MARK)

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise TokensError(f"its tokenizer has no token {token}: it is not Whisper's")
        return int(number)

    def _find_languages(self) -> dict[str, Tokens]:
        transcribe = self._special("<|transcribe|>")
        tags = {
            number: match[1]
            for token, number in self._tokenizer.get_vocab(with_added_tokens=True).items()
            if (match := _LANGUAGE_TOKEN.fullmatch(token)) and self._start < number < transcribe
        }
        return {tag: (self._start, number, transcribe) for number, tag in sorted(tags.items())}
