"""The output and the exit code of `niyosha doctor`."""

import asyncio
import io
import subprocess
import sys
import wave
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from rich.console import Console

from stream.recognition.check_results import Verdict
from stream.session.events import Hypothesis
from tests.stream.riva.scripted_riva import ScriptedRiva, row, server_credentials, serving
from tests.support.places import ROOT
from tests.support.processes import niyosha, started_async, typed
from tests.support.recognizers import CountingStream, MuteStream, ScriptedRecognizer
from web.cli import doctor, probe
from web.cli.doctor import examine_everything
from web.cli.probe import CLIP, CLIP_TEXT, recognize_clip
from web.settings.settings import Settings


@pytest.fixture(autouse=True)
def _short_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tenths of a second instead of two, each of them a word to the scripted server."""
    monkeypatch.setattr("tests.stream.riva.scripted_riva.SECOND", bytes(3200))
    monkeypatch.setattr(probe, "CLIP", tmp_path / "short.wav")
    with wave.open(str(tmp_path / "short.wav"), "wb") as clip:
        clip.setparams((1, 2, 16_000, 0, "NONE", ""))
        clip.writeframes(bytes(3 * 3200))


async def examined(uri: str, language: str | None = None, **settings: object) -> tuple[bool, list[str]]:
    """Whether everything works, and the lines that are printed."""
    printed = io.StringIO()
    console = Console(file=printed, width=200, highlight=False)
    works = await examine_everything(Settings(riva_uri=uri, **settings), language, console)
    return works, printed.getvalue().splitlines()


async def test_a_server_where_live_recognition_works() -> None:
    riva = ScriptedRiva(rows=[row(name="parakeet")])
    async with serving(riva) as server:
        works, lines = await examined(server.address)
    assert works
    assert lines[:6] == [
        f"Riva at {server.address}",
        f"  ok     port         {server.address} answers",
        "  ok     TLS          off on both sides",
        "  ok     health       the server says that it is ready",
        "  ok     models       parakeet, online: en-US",
        "  ok     language     en is recognized as en-US",
    ]
    assert lines[6].startswith(f'  ok     recognition  "{CLIP_TEXT}" was heard as "s0 s1 s2"; first text ')
    assert lines[7:] == ["Live recognition works."]
    assert riva.opened[0].config.language_code == "en-US"


@pytest.mark.virtual_time
async def test_times_are_those_of_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(CountingStream):
        async def hypotheses(self) -> AsyncIterator[Hypothesis]:
            async for hypothesis in super().hypotheses():
                if hypothesis.is_final:
                    await asyncio.sleep(0.7)
                yield hypothesis

    monkeypatch.setattr(probe, "CLIP", CLIP)
    result = await recognize_clip(ScriptedRecognizer(script=[Late]), "en-US")
    # Its first word is there after a quarter of a second, of which chunks of a tenth come.
    assert (result.first_seconds, result.final_seconds) == (pytest.approx(0.3), pytest.approx(0.7))


async def test_one_fault_ends_the_examination_of_a_server() -> None:
    works, lines = await examined("127.0.0.1:1")
    assert not works
    assert lines == [
        "Riva at 127.0.0.1:1",
        "  fault  port         127.0.0.1:1 cannot be reached: Connection refused",
        "                      -> check the port, whether the server runs and listens on that address, "
        "and the firewalls in between",
        "Live recognition does not work.",
    ]


async def test_some_servers_work_and_some_do_not() -> None:
    async with serving(ScriptedRiva()) as server:
        works, lines = await examined(f"127.0.0.1:1,{server.address}")
    assert not works
    assert lines[-1] == "Live recognition works at 1 of 2 servers."


async def test_a_language_that_is_wanted_and_served() -> None:
    riva = ScriptedRiva(rows=[row("en-US"), row("fa-IR")])
    async with serving(riva) as server:
        works, lines = await examined(server.address, "fa")
    assert works
    assert "  ok     language     fa is recognized as fa-IR" in lines
    assert riva.opened[0].config.language_code == "fa-IR"


async def test_a_language_that_is_wanted_and_not_served() -> None:
    async with serving(ScriptedRiva()) as server:
        works, lines = await examined(server.address, "fa")
    assert not works
    assert lines[5:7] == [
        "  fault  language     fa is not served; served: en-US",
        "                      -> deploy a streaming model for it, or ask for a language that is served",
    ]


async def test_a_server_without_english_works_in_its_own_language(monkeypatch: pytest.MonkeyPatch) -> None:
    riva = ScriptedRiva(rows=[row("fa-IR")])
    async with serving(riva) as server:
        works, lines = await examined(server.address)
        monkeypatch.setattr("tests.stream.riva.scripted_riva.SECOND", bytes(10**6))  # it hears no word
        still_works, mute = await examined(server.address)
    assert works
    assert lines[5:7] == [
        "  note   language     en is not served; served: fa-IR",
        "                      -> clients that ask for no language are refused: they want en; set "
        """NIYOSHA_STREAM_DEFAULTS='{"languageCode": "fa-IR"}' to give them another one""",
    ]
    assert still_works
    assert mute[7].startswith("  ok     recognition  an English sentence was heard as nothing, in fa-IR; final ")


async def test_an_english_model_that_hears_nothing_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.stream.riva.scripted_riva.SECOND", bytes(10**6))
    async with serving(ScriptedRiva()) as server:
        works, lines = await examined(server.address)
    assert not works
    assert lines[6].startswith(f'  fault  recognition  "{CLIP_TEXT}" was heard as nothing; final ')
    assert lines[7].strip() == "-> try another model: this one does not understand a clear English sentence"


async def test_a_recognition_that_fails_is_told() -> None:
    async with serving(ScriptedRiva(fault=grpc.StatusCode.ABORTED)) as server:
        works, lines = await examined(server.address)
    assert not works
    assert lines[6:] == [
        "  fault  recognition  failed: ABORTED: as the script says",
        "                      -> look into the server's log; it may list a model that it has not loaded",
        "Live recognition does not work.",
    ]


@pytest.mark.virtual_time
async def test_a_recognition_that_does_not_end_is_given_up() -> None:
    began = asyncio.get_running_loop().time()
    *_, last = [result async for result in doctor._recognition(ScriptedRecognizer(script=[MuteStream]), None)]
    assert (last.verdict, last.sentence) == (Verdict.FAULT, "no final text within 20 s")
    assert asyncio.get_running_loop().time() - began == 20


async def test_a_server_that_goes_in_the_meantime_is_told() -> None:
    class Leaving(ScriptedRiva):
        async def GetRivaSpeechRecognitionConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
            self.config_fault = grpc.StatusCode.UNAVAILABLE if self.discoveries else None
            return await super().GetRivaSpeechRecognitionConfig(request, context)

    async with serving(Leaving()) as server:
        works, lines = await examined(server.address)
    assert not works
    assert lines[5] == "  fault  health       the server is gone again: UNAVAILABLE: as the script says"


async def test_keys_and_control_characters_are_not_printed() -> None:
    riva = ScriptedRiva(rows=[row(name="\x1b[2Jmodel")])
    async with serving(riva) as server:
        _, lines = await examined(server.address, riva_api_key="canary")
    assert "canary" not in "\n".join(lines)
    assert "  ok     models        [2Jmodel, online: en-US" in lines
    assert {"authorization": "Bearer canary"}.items() <= riva.metadata[-1].items()


# --- as a user types it ---


def test_without_a_server_the_embedded_engine_is_examined() -> None:
    result = niyosha("doctor")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "The embedded engine, as NIYOSHA_RIVA_URI names no Riva server"
    assert lines[1].startswith("  ok     engine       ready ")
    assert f'"{CLIP_TEXT}" was heard as "{CLIP_TEXT}"; first text ' in lines[-2]
    assert lines[-1] == "Live recognition works."


def test_an_engine_that_cannot_start_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = typed("doctor", NIYOSHA_MODEL=str(tmp_path))
    assert result.returncode == 1
    assert str(tmp_path) in capfd.readouterr().err
    assert result.stdout.splitlines()[-3:] == [
        "  fault  engine       it does not start",
        "                      -> it says why above; NIYOSHA_MODEL names the model that it loads",
        "Live recognition does not work.",
    ]


def test_a_wrong_setting_is_told() -> None:
    result = typed("doctor", "--riva-uri", "riva")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("niyosha: NIYOSHA_RIVA_URI is 'riva': riva has no port")


async def test_an_engine_with_tls_is_examined_with_the_right_and_with_a_wrong_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "CLIP", CLIP)
    ca = trustme.CA()
    certificate = ca.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "server.key")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    files = ["--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key")]
    async with started_async("engine", "--listen", "127.0.0.1:0", *files) as (_, line):
        uri = f"localhost:{line.rstrip().rpartition(':')[2]}"
        right = await examined(uri, riva_ca=tmp_path / "ca.pem")
        wrong = await examined(uri, riva_ca=tmp_path / "other.pem")
        none = await examined(uri)
    assert (right[0], wrong[0], none[0]) == (True, False, False)
    assert "  ok     TLS          on, chain verified: certificate of " in "\n".join(right[1])
    assert "  fault  TLS          no trusted authority vouches for the certificate: " in "\n".join(wrong[1])
    assert "  fault  TLS          off here, but the server encrypts" in "\n".join(none[1])


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    ca, client_ca = trustme.CA(), trustme.CA()
    client = client_ca.issue_cert("gateway")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    async with serving(ScriptedRiva(), credentials=server_credentials(ca, client_ca=client_ca)) as server:
        works, _ = await examined(
            f"localhost:{server.port}",
            riva_ca=tmp_path / "ca.pem",
            riva_client_cert=tmp_path / "client.pem",
            riva_client_key=tmp_path / "client.key",
        )
    assert works


# --- the clip ---


def test_the_clip_is_two_seconds_of_what_the_recognizer_takes() -> None:
    with wave.open(str(CLIP), "rb") as clip:
        assert (clip.getnchannels(), clip.getsampwidth(), clip.getframerate()) == (1, 2, 16_000)
        assert 2.0 <= clip.getnframes() / clip.getframerate() < 2.5


def test_the_clip_is_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        assert files.read("web/cli/clips/doctor.wav") == CLIP.read_bytes()
