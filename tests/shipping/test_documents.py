"""The commands of the program in the documents: each exists, with its options."""

import re
import shlex
from collections.abc import Iterator

import pytest

from tests.shipping.commands import check_command
from tests.support.places import DOCS, ROOT

_FENCE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Up to what a shell would take for something else, or for a comment.
_COMMAND = re.compile(r"\bniyosha ((?:doctor|engine|mic|serve|token|transcribe|worker)\b[^\n)#|>&;]*)")


def commands() -> Iterator[tuple[str, str]]:
    """Yield each document with a command in it, once."""
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md"))):
        for block in _FENCE.findall(path.read_text()):
            for words in dict.fromkeys(_COMMAND.findall(block.replace("\\\n", " "))):
                yield path.name, words.strip()


COMMANDS = list(dict.fromkeys(commands()))


def test_the_documents_have_commands() -> None:
    assert {"README.md", "deployment.md", "install.md"} <= {name for name, _ in COMMANDS}


@pytest.mark.parametrize(("document", "words"), COMMANDS, ids=[f"{name}: {words}" for name, words in COMMANDS])
def test_a_command_of_a_document_exists_with_its_options(document: str, words: str) -> None:
    check_command(shlex.split(words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("serve --no-such-option", "No such option"),
        ("token --days many", "unable to parse"),
        ("transcribe", "Missing parameter: files"),
    ],
)
def test_a_wrong_command_is_found(words: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        check_command(shlex.split(words))
