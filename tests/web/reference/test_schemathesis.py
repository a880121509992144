"""Requests that schemathesis makes up from the OpenAPI document, against a server that says what it does there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.web.tokens import SECRET, token
from web.reference.operations import OPERATIONS

ROOT = Path(__file__).parents[3]
SETTINGS = Path(__file__).with_name("schemathesis.toml")
# All but the address of the document itself, which schemathesis leaves out.
_TESTED = f"Tested: {sum(map(len, OPERATIONS.values())) - 1}"


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[str]:
    """A `shenava serve` of its own, because what is made up here would fill the list of everybody else."""
    own = {
        "SHENAVA_DATABASE_URL": f"sqlite:///{folder / 'shenava.db'}",
        "SHENAVA_JOBS_PER_OWNER": "10000",
        "SHENAVA_HANDSHAKES_PER_SECOND": "10000",
    }
    command = [sys.executable, "-m", "web.cli", "serve", "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | own | settings) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            yield next(word for word in words if word.startswith("http"))
        finally:
            process.terminate()
            assert process.wait(40) == 0


def run(url: str, folder: Path, *options: str) -> str:
    """What `st run` reports; it fails where anything answered was not as the document has it."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run", "--no-color"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    ran = subprocess.run(
        [*command, *options, f"{url}/openapi.json"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.fault(21)
def test_every_answer_is_as_the_document_says(tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        report = run(url, tmp_path, "--exclude-checks", "ignored_auth")
    assert _TESTED in report
    assert "passed" in report


def test_nothing_is_answered_without_a_token_where_one_is_wanted(tmp_path: Path) -> None:
    header = "--header", f"Authorization: Bearer {token(scope='live recordings models tokens metrics')}"
    with serving(tmp_path, SHENAVA_TOKEN_SECRET=SECRET) as url:
        report = run(url, tmp_path, "--checks", "ignored_auth", "--phases", "fuzzing", "--max-examples", "2", *header)
    assert _TESTED in report
