import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.model.sherpa.files import Kind, ModelFiles
from stream.engine.model.sherpa.tokens_file import (
    TokensFileError,
    check_tokens,
    read_tokens,
    write_moonshine_tokens,
)
from tests.support.tiers import examples


def files(kind: Kind, **metadata: str) -> ModelFiles:
    return ModelFiles(kind=kind, parts={}, metadata=metadata)


def test_tokens_may_be_spaces_and_digits() -> None:
    assert read_tokens("▁the 0\n  1\n7 2\n\n<blk> 3\n") == {"▁the": 0, " ": 1, "7": 2, "<blk>": 3}


@pytest.mark.parametrize("line", ["▁the", "the end", "x -1", "x 1.5"])
def test_a_line_without_a_number_is_an_error(line: str) -> None:
    with pytest.raises(TokensFileError) as caught:
        read_tokens(f"a 0\n{line}\n")
    assert str(caught.value) == "its line 2 is no token with a number behind it"


@pytest.mark.parametrize("kind", [Kind.NEMO_CTC, Kind.STREAMING_NEMO_CTC, Kind.STREAMING_ZIPFORMER_CTC])
def test_ctc_needs_a_blank(kind: Kind) -> None:
    for blank in ("<blk>", "<eps>", "<blank>"):
        check_tokens(files(kind), {blank: 0, "a": 1})
    with pytest.raises(TokensFileError) as caught:
        check_tokens(files(kind), {"a": 0})
    assert str(caught.value) == "it has no blank, <blk>"


@pytest.mark.parametrize("kind", [Kind.NEMO_TRANSDUCER, Kind.STREAMING_NEMO_TRANSDUCER])
@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [
        ({"a": 0, "<blk>": 1}, "it has 2 tokens, and the model 3"),
        ({"<blk>": 0, "a": 1, "b": 2}, "its last token is not <blk>"),
    ],
)
def test_the_blank_of_a_transducer_of_nemo_is_the_last_token(kind: Kind, tokens: dict[str, int], sentence: str) -> None:
    check_tokens(files(kind, vocab_size="2"), {"a": 0, "b": 1, "<blk>": 2})
    with pytest.raises(TokensFileError) as caught:
        check_tokens(files(kind, vocab_size="2"), tokens)
    assert str(caught.value) == sentence


@examples(50)
@given(tokens=st.lists(st.binary(max_size=300), max_size=20))
def test_moonshines_tokens_are_written_in_base64(tokens: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tokens") / "tokens.txt"
    lengths = (bytes([n] if n < 128 else [n % 128 + 128, n // 128]) for n in map(len, tokens))
    write_moonshine_tokens(b"".join(length + token for length, token in zip(lengths, tokens, strict=True)), path)
    lines = [line.rpartition(" ") for line in path.read_text().splitlines()]
    assert [(base64.b64decode(text), int(number)) for text, _, number in lines] == [
        (token, number) for number, token in enumerate(tokens)
    ]


@pytest.mark.parametrize("damaged", [b"\x05abc", b"\x80", b"\x80\x01abc"])
def test_a_list_that_ends_inside_a_token_is_an_error(damaged: bytes, tmp_path: Path) -> None:
    with pytest.raises(TokensFileError, match="it ends inside a token"):
        write_moonshine_tokens(damaged, tmp_path / "tokens.txt")
