"""Every program and command in the documents: it is run as it stands there, or a table says why not."""

import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.shipping.test_documents import commands as command_lines
from tests.support.places import CLIPS, DOCS, EXAMPLES, ROOT
from tests.support.processes import NIYOSHA
from tests.support.sounds import clip_texts, words_of
from tests.web.support.tokens import SECRET

_FENCE = re.compile(r"^( *)```(\S+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_SHELLS = frozenset({"console", "sh", "bash"})
_LANGUAGES = _SHELLS | {"html", "javascript", "js", "mjs", "py", "python", "ts"}
# Settings before a command.
_VARIABLES = re.compile(r"""^(\w+=('[^']*'|"[^"]*"|\S+) +)+(?=niyosha)""")
ADDRESS = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A block of a document that somebody would run."""

    document: str
    language: str
    text: str

    @property
    def commands(self) -> str:
        """The lines to type, without prompts and output."""
        if self.language != "console":
            return self.text
        lines: list[str] = []
        is_command = False
        for line in self.text.splitlines():
            is_command = line.startswith(("$ ", "# ")) or (is_command and lines[-1].endswith("\\"))
            if is_command:
                lines.append(line.removeprefix("$ ").removeprefix("# "))
        return "\n".join(lines) + "\n"

    def __str__(self) -> str:
        return f"{self.document}: {self.commands.splitlines()[0][:60]}"


def snippets() -> Iterator[Snippet]:
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md"))):
        for _, language, text in _FENCE.findall(path.read_text()):
            if language in _LANGUAGES:
                yield Snippet(str(path.relative_to(ROOT)), language, textwrap.dedent(text))


# Documents whose blocks of a language another test runs as they are.
RUN_ELSEWHERE = {
    ("docs/engine.md", "python"): "tests/stream/engine/test_nvidia_client.py",
    ("docs/rest.md", "sh"): "tests/web/reference/test_docs.py",
    ("docs/tutorials/calls.md", "python"): "tests/shipping/test_clients.py",
    ("docs/tutorials/commands.md", "python"): "tests/shipping/test_clients.py",
    ("docs/tutorials/event.md", "python"): "tests/shipping/test_clients.py",
}
# Commands that no test runs, by the first words of a line of the block, and why.
SERVES = "it serves until it is stopped; test_documents.py checks its options, tests/web/cli/ what it does"
CONTAINERS = "it needs a container runtime with a network; tests/shipping/ reads the files"
NOT_RUN = {
    "niyosha serve": SERVES,
    "niyosha engine": SERVES,
    "niyosha worker": SERVES,
    "niyosha mic": "it listens until it is stopped; tests/web/cli/mic/ runs it with a microphone that hears a clip",
    "niyosha doctor": "it needs a Riva server; tests/stream/riva/diagnostics/ runs it with a scripted one",
    "niyosha models get": "it downloads from the hub of the models; tests/stream/catalogue/ has a hub of its own",
    "pip install": "it downloads; tests/shipping/test_package.py installs the package",
    "python3 -m venv": "it installs for the whole machine; tests/shipping/test_units.py reads the units",
    "docker": CONTAINERS,
    "kubectl": CONTAINERS,
    "make ": "it sets up a checkout, or is what runs this test",
    "niyosha bench": "it measures for minutes, and this is no quiet machine; tests/bench/load/ runs it",
    "python -m bench": "it measures for minutes, and this is no quiet machine",
    "createuser": "it changes a PostgreSQL server; tests/web/store/database/ has one of its own",
    "pg_dump": "it needs PostgreSQL's programs; tests/web/store/database/test_backups.py does the same",
    "sqlite3": "it needs SQLite's program; tests/web/store/database/test_backups.py does the same",
    "KEY=$(niyosha token": "it needs a server with a key; tests/web/rest/test_tokens.py exchanges keys",
    "TOKEN=$(niyosha token": "it needs a server with a key; tests/web/rest/channels/ has the requests",
    'niyosha token --sub venue --scope "channels': "it needs a server with a key; tests/web/rest/channels/ has it all",
    "curl --insecure -X PATCH": "it needs a channel with a line; tests/web/rest/channels/ corrects one",
    "curl http://127.0.0.1:8000/v1/speech/asrlongrunning -F audio=@call.wav": "it needs the recording of a call; "
    "tests/web/rest/ sends two channels",
    'curl "http://127.0.0.1:8000/v1/speech/transcriptions/$ID': "it needs the answer of the block before; "
    "docs/rest.md has the same request",
    "export NIYOSHA_TOKEN_OLD_SECRETS": "it restarts a server; tests/web/auth/ accepts tokens of former secrets",
    "@pytest.mark": "it is a part of a module of tests",
}

SNIPPETS = list(snippets())
EXAMPLE_TEXTS = {path.read_text() for path in EXAMPLES.iterdir()}


def is_example(snippet: Snippet) -> bool:
    return snippet.text in EXAMPLE_TEXTS


def is_run_elsewhere(snippet: Snippet) -> bool:
    return (snippet.document, snippet.language) in RUN_ELSEWHERE


def reasons(snippet: Snippet) -> set[str]:
    """Return the beginnings in the table of what is not run that a line of the block has."""
    return {
        words
        for words in NOT_RUN
        for line in snippet.commands.splitlines()
        for command in (line, *re.split(r" && | \| |\(", line))
        if _VARIABLES.sub("", command.strip()).startswith(words)
    }


RUN_HERE = [
    one
    for one in SNIPPETS
    if one.language in _SHELLS and not reasons(one) and not is_example(one) and not is_run_elsewhere(one)
]


@pytest.mark.parametrize("snippet", [one for one in SNIPPETS if one.language not in _SHELLS], ids=str)
def test_every_program_is_an_example_or_is_run_elsewhere(snippet: Snippet) -> None:
    assert is_example(snippet) or is_run_elsewhere(snippet) or reasons(snippet), (
        f"this program of {snippet.document} is not run: make it a file of examples/\n{snippet.text}"
    )


def test_the_tables_have_nothing_that_is_not_in_the_documents() -> None:
    found = {(one.document, one.language) for one in SNIPPETS}
    assert set(RUN_ELSEWHERE) - found == set()
    used = set().union(*map(reasons, SNIPPETS))
    assert set(NOT_RUN) - used - {"kubectl", "niyosha worker"} == set()


@pytest.mark.parametrize(("document", "test"), sorted({(name, test) for (name, _), test in RUN_ELSEWHERE.items()}))
def test_what_runs_elsewhere_is_read_there(document: str, test: str) -> None:
    text = (ROOT / test).read_text()
    # By its whole path, or as the name of a tutorial.
    assert Path(document).name in text or f'"{Path(document).stem}"' in text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the recordings that the documents name, and `niyosha` as a command."""
    made = tmp_path_factory.mktemp("reader")
    (made / "tests").symlink_to(ROOT / "tests")
    (made / "recordings").mkdir()
    for name in ("talk.mp3", "film.mkv", "recordings/first.wav"):
        (made / name).write_bytes((CLIPS / "quick.wav").read_bytes())
    commands = made / ".venv" / "bin"
    commands.mkdir(parents=True)
    script = f'#!/bin/sh\nexec {shlex.join(NIYOSHA)} "$@"\n'
    # What comes from a microphone there.
    sound = f"#!/bin/sh\ntail -c +45 {shlex.quote(str(CLIPS / 'quick.wav'))}\n"
    for name, text in (("niyosha", script), ("arecord", sound)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    return made


@pytest.mark.parametrize("snippet", RUN_HERE, ids=str)
def test_the_commands_of_a_document_work(snippet: Snippet, server: str, folder: Path) -> None:
    curl = 'curl() { command curl -sSf --noproxy "*" "$@"; echo; }'
    program = "\n".join(("set -eu", curl, snippet.commands.replace(ADDRESS, server)))
    paths = os.pathsep.join([str(folder / ".venv" / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"NIYOSHA_SERVER": server, "NIYOSHA_TOKEN_SECRET": SECRET, "PYTHONPATH": str(ROOT), "PATH": paths}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["bash", "-c", program],
        cwd=folder,
        env=os.environ | environment,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            # The limit is that of a test: on a busy machine each command takes seconds to start.
            output, errors = process.communicate()
        finally:
            # Whatever it started and did not wait for.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, output + errors
    spoken = clip_texts()["quick.wav"]
    if spoken in snippet.text:
        assert words_of(output) == words_of(spoken)


def test_the_commands_that_are_run_exist() -> None:
    documents = {one.document for one in RUN_HERE}
    assert {"README.md", "docs/cli.md", "docs/index.md", "docs/protocols/openai.md"} <= documents
    assert len(list(command_lines())) > 20
