"""The routes in front of the embedded engineand its real text."""

import base64
import subprocess
import sys
from itertools import cycle
from typing import Any

import httpx
import pytest

from stream.audio.pcm import decode_mulaw
from stream.words import spoken_form
from tests.stream.audio.encoders import encoded
from tests.support.places import CLIPS
from tests.support.sounds import clip_pcm, clip_texts, wav, words_of
from tests.web.rest.recordings import QUICK_AND_TRAIN, asked, ended, trained
from tests.web.support.sockets import converse, http_client

ASR = "/v1/speech/asr"
LONG = "/v1/speech/asrlongrunning"
MODELS = "/v1/speech/languagemodels"
KINDS = ("wav", "pcm", "flac", "mp3", "ogg", "webm", "mulaw")


@pytest.mark.parametrize(("kind", "transfer"), list(zip(KINDS, cycle(["json", "form"]), strict=False)))
async def test_every_format_is_heard(server: str, kind: str, transfer: str) -> None:
    """What is not declared is found out."""
    pcm = clip_pcm("quick.wav")
    config: dict[str, object] = {}
    match kind:
        case "wav":
            data = wav(pcm)
        case "pcm":
            data = pcm
        case "mulaw":
            data, config = _mulaw(pcm), {"audioEncoding": "MULAW", "sampleRateHertz": 16_000}
        case _:
            data = encoded(pcm, 48_000 if kind in ("ogg", "webm") else 16_000, kind)
    async with http_client(server) as client:
        if transfer == "json":
            answer = await client.post(ASR, json=asked(data, **config))
        else:
            encoder = httpx.Response(200, json=config).text
            answer = await client.post(ASR, files={"audio": ("clip", data)}, data={"config": encoder})
    assert answer.status_code == 201, answer.text
    assert words_of(answer.json()["results"][0]["transcript"]) == words_of(clip_texts()["quick.wav"])


def _mulaw(pcm: bytes) -> bytes:
    """Encode by the nearest code: the decoder's table turned around."""
    levels = memoryview(decode_mulaw(bytes(range(256)))).cast("h")
    nearest = [min(range(256), key=lambda code: abs(levels[code] - level)) for level in range(-32_768, 32_768, 256)]
    return bytes(nearest[(sample + 32_768) // 256] for sample in memoryview(pcm).cast("h"))


async def test_the_words_agree_whether_live_short_or_long(server: str) -> None:
    live = await converse(server, QUICK_AND_TRAIN, "close", query="interimResults=false")
    async with http_client(server) as client:
        short = (await client.post(ASR, json=asked(wav(QUICK_AND_TRAIN)))).json()
        long = (await client.post(LONG, files={"audio": wav(QUICK_AND_TRAIN)})).json()
        done = (await ended(client, long["transcriptionId"])).json()
    assert short["results"] == live.messages[-1]["results"]
    assert done["results"] == short["results"]


async def test_of_a_single_utterance_all_hypotheses_are_told(server: str) -> None:
    async with http_client(server) as client:
        body = (await client.post(ASR, json=asked(wav(clip_pcm("train.wav")), maxAlternatives=3))).json()
    assert 1 < len(body["results"]) <= 3


async def test_captions_of_a_real_recording_are_readable(server: str) -> None:
    async with http_client(server) as client:
        body = (await client.post(LONG, files={"audio": (CLIPS / "library.wav").read_bytes()})).json()
        await ended(client, body["transcriptionId"])
        srt = (await client.get(f"/v1/speech/transcriptions/{body['transcriptionId']}?format=srt")).text
    lines = [line for line in srt.splitlines() if line and not line.isdigit() and "-->" not in line]
    assert words_of(" ".join(lines)) == words_of(clip_texts()["library.wav"])
    assert all(len(line) <= 42 for line in lines)


async def test_it_tells_its_own_languages(server: str) -> None:
    async with http_client(server) as client:
        assert (await client.get("/v1/speech/languages")).json() == {"languages": ["en-US"]}


async def test_a_trained_model_mends_rare_words(server: str) -> None:
    data = base64.b64encode((CLIPS / "hard" / "22.wav").read_bytes()).decode()
    rare = "We computed what Mahalanobis proposed and not what Shostakovich composed."

    async def transcript(client: httpx.AsyncClient, model: str) -> str:
        config: dict[str, Any] = {"languageModel": model, "store": False}
        answer = (await client.post(ASR, json={"config": config, "audio": {"data": data}})).json()
        return spoken_form(" ".join(result["transcript"] for result in answer["results"]))

    async with http_client(server) as client:
        made = (await client.post(MODELS, json={"name": "Rare", "corpora": [rare]})).json()
        await trained(client, made["languageModelId"])
        assert "mahalanobis" not in await transcript(client, "general")
        assert await transcript(client, made["languageModelId"]) == "the mahalanobis distance is larger"


# --- as OVH has it ---

# What a caller of OVH's service does, as its documentation shows it: a file in a form, a bearer token from the
# environment, the first alternative of every result.
_CALLER = """
import os, requests
headers = {"accept": "application/json", "Authorization": f"Bearer {os.environ.get('OVH_AI_ENDPOINTS_ACCESS_TOKEN')}"}
with open(os.environ["CLIP"], "rb") as clip:
    response = requests.post(os.getenv("ASR_EN_GB_ENDPOINT"), files=[("audio", clip)], headers=headers)
assert response.status_code == 200, response.text
print("".join(result["alternatives"][0]["transcript"] for result in response.json()))
"""


def test_the_published_client_of_ovh_works_with_its_environment_alone(server: str) -> None:
    environment = {
        "OVH_AI_ENDPOINTS_ACCESS_TOKEN": "whatever",
        "ASR_EN_GB_ENDPOINT": f"{server}/api/v1/en-gb/asr/recognize",
        "CLIP": str(CLIPS / "library.wav"),
    }
    caller = subprocess.run(
        [sys.executable, "-c", _CALLER], capture_output=True, text=True, check=True, env=environment
    )
    assert words_of(caller.stdout) == words_of(clip_texts()["library.wav"])
