"""The canary that searches every test for leaks finds them, and only them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.canary import leak
from tests.support.places import ROOT
from tests.support.processes import STUCK_SECONDS
from tests.web.support.tokens import token

LEAKING = """
import logging
import structlog
from tests.web.support.tokens import token
from web.app import create_app
from web.settings.settings import Settings
from web.composition import gateway

def test_token_printed():
    print("GET /?jwt=" + token())

def test_phrase_logged():
    logging.getLogger("other").warning("heard: %s", "Quick, brown FOX!")

def test_words_of_a_scripted_recognizer_logged():
    structlog.get_logger().info("heard", text="w7 w8 w9")

def test_phrase_in_a_metric():
    gateway.Metrics().streams_closed.labels("farsava", "The quick brown fox").inc()

def test_nothing():
    logging.getLogger("other").warning("heard: %s", "a brown fox, quick as ever")
    gateway.Metrics().streams_closed.labels("farsava", "close").inc()
"""


@pytest.mark.parametrize(
    "text", ["the quick brown FOX", "x=w3 w4 w5", '{"t":"library closes\\nat"}', r"w3 \u0077\u0034 w5"]
)
def test_what_was_said_is_found_however_it_is_written(text: str) -> None:
    assert leak(text) is not None


def test_a_token_is_found_and_a_redacted_one_is_none() -> None:
    assert leak(f"?jwt={token()}&a=b") is not None
    assert leak("?jwt=***&a=b quick red fox") is None


@pytest.mark.fault(15)
@pytest.mark.fault(16)
@pytest.mark.fault(30)
def test_every_test_that_leaks_fails(tmp_path: Path) -> None:
    path = tmp_path / "test_leaks.py"
    path.write_text(LEAKING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "pytest_asyncio.plugin",
        "-p",
        "tests.conftest",
        "-p",
        "tests.web.conftest",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
    ]
    # Other plugins take seconds to load.
    settings = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = subprocess.run(
        [*command, str(path)],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=STUCK_SECONDS,
        check=False,
    )
    bad = {line.split("::")[1].split()[0] for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))}
    assert bad == {
        "test_token_printed",
        "test_phrase_logged",
        "test_words_of_a_scripted_recognizer_logged",
        "test_phrase_in_a_metric",
    }, run.stdout[-2000:]
