"""Read and write `tokens.txt`, sherpa-onnx's list of tokens: one a line, a space and its number behind it."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

from stream.engine.model.sherpa.files import Kind, ModelFiles

_BLANKS = ("<blk>", "<eps>", "<blank>")
_BLANK_IS_LAST = (Kind.NEMO_TRANSDUCER, Kind.STREAMING_NEMO_TRANSDUCER)
_CTC = (Kind.NEMO_CTC, Kind.STREAMING_NEMO_CTC, Kind.STREAMING_ZIPFORMER_CTC)
# Moonshine's `tokenizer.bin`: the length of each token is one byte, or two from 128 on, seven bits in the first.
_SHORT_LENGTH = 128


class TokensFileError(Exception):
    """The file does not fit its model; the message says why, as the end of a sentence."""


def read_tokens(text: str) -> dict[str, int]:
    """Return the number of each token; raises TokensFileError."""
    tokens: dict[str, int] = {}
    for line_number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        token, _, number = line.rstrip().rpartition(" ")
        if not number.isdecimal():
            raise TokensFileError(f"its line {line_number} is no token with a number behind it")
        tokens[token or " "] = int(number)
    return tokens


def check_tokens(files: ModelFiles, tokens: Mapping[str, int]) -> None:
    """Raise TokensFileError for a list with which sherpa-onnx would end the process."""
    blank = next((blank for blank in _BLANKS if blank in tokens), None)
    if files.kind in (*_CTC, *_BLANK_IS_LAST) and blank is None:
        raise TokensFileError("it has no blank, <blk>")
    if files.kind in _BLANK_IS_LAST:
        needed = int(files.metadata["vocab_size"]) + 1
        if len(tokens) != needed:
            raise TokensFileError(f"it has {len(tokens)} tokens, and the model {needed}")
        if tokens.get("<blk>") != needed - 1:
            raise TokensFileError("its last token is not <blk>")


def write_moonshine_tokens(tokenizer: bytes, path: Path) -> None:
    """Write the tokens of Moonshine's `tokenizer.bin`, each as base64 of its bytes; raises TokensFileError."""
    lines = (f"{base64.b64encode(token).decode()} {number}\n" for number, token in enumerate(_tokens_of(tokenizer)))
    path.write_text("".join(lines))


def _tokens_of(tokenizer: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(tokenizer):
        length, begin = tokenizer[place], place + 1
        if length >= _SHORT_LENGTH:
            if begin == len(tokenizer):
                raise TokensFileError("it ends inside a token")
            length, begin = length - _SHORT_LENGTH + _SHORT_LENGTH * tokenizer[begin], begin + 1
        place = begin + length
        if place > len(tokenizer):
            raise TokensFileError("it ends inside a token")
        yield tokenizer[begin:place]
