"""Requests that schemathesis makes up from the OpenAPI document, against a gateway that says what it does there."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.places import ROOT
from tests.support.recognizers import ScriptedRecognizer
from tests.support.tiers import tiered
from tests.web.support.tokens import SECRET, token
from web.composition.resources import RESOURCES
from web.process.serve import running
from web.routes.operations import operations
from web.settings.settings import Settings

SETTINGS = Path(__file__).with_name("schemathesis.toml")
# All but the address of the document itself, which schemathesis leaves out.
_TESTED = f"Tested: {len(list(operations(RESOURCES))) - 1}"
# In the short tier every operation gets its examples and some requests more; in the long one also what is at the
# edges of the schemas, and chains of requests.
_BUDGET = tiered(("--phases", "examples,fuzzing", "--max-examples", "3"), ())
_MOST_SECONDS = tiered(300, 900)

pytestmark = pytest.mark.timeout(_MOST_SECONDS + 10)


async def run(folder: Path, settings: Settings, *options: str) -> str:
    """What `st run` reports of a gateway; it fails where anything answered was not as the document has it."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run", "--no-color"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    pipe = asyncio.subprocess.PIPE
    async with running(settings, ScriptedRecognizer()) as server:
        process = await asyncio.create_subprocess_exec(
            *command, *options, f"{server.url}/openapi.json", cwd=folder, env=environment, stdout=pipe, stderr=pipe
        )
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                output, errors = [text.decode() for text in await process.communicate()]
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
    assert process.returncode == 0, output + errors
    assert _TESTED in output
    return output


@pytest.mark.fault(21)
async def test_every_answer_is_as_the_document_says(tmp_path: Path) -> None:
    settings = Settings(port=0, jobs_per_owner=10_000, handshakes_per_second=10_000)
    assert "passed" in await run(tmp_path, settings, "--exclude-checks", "ignored_auth", *_BUDGET)


async def test_nothing_is_answered_without_a_token_where_one_is_wanted(tmp_path: Path) -> None:
    settings = Settings(port=0, jobs_per_owner=10_000, handshakes_per_second=10_000, token_secret=SecretStr(SECRET))
    header = "--header", f"Authorization: Bearer {token(scope='live recordings models tokens metrics')}"
    examples = tiered("1", "2")
    checks = "--checks", "ignored_auth", "--phases", "fuzzing", "--max-examples", examples
    await run(tmp_path, settings, *checks, *header)
