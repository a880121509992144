"""Recordings and models for tests of the routes, the bodies that carry them, and how their ends are waited for."""

import asyncio
import base64
from typing import Any

import httpx

from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm

QUICK_AND_TRAIN = clip_pcm("quick.wav") + bytes(32_000) + clip_pcm("train.wav")


def asked(audio: bytes, **config: object) -> dict[str, object]:
    """The JSON body of a short recognition."""
    return {"config": config, "audio": {"data": base64.b64encode(audio).decode()}}


async def ended(client: httpx.AsyncClient, transcription_id: str) -> httpx.Response:
    """The answer once nothing is to come any more, asked for as clients do."""
    async with asyncio.timeout(STUCK_SECONDS):
        while True:
            answer = await client.get(f"/v1/speech/transcriptions/{transcription_id}")
            if answer.status_code != 200 or answer.json()["status"] == "done":
                return answer
            await asyncio.sleep(0.05)


async def trained(client: httpx.AsyncClient, model_id: str, query: str = "") -> Any:
    """The language model once it is trained, asked for as clients do."""
    async with asyncio.timeout(STUCK_SECONDS):
        while True:
            model = (await client.get(f"/v1/speech/languagemodels/{model_id}{query}")).json()
            if model["status"] == "trained":
                return model
            await asyncio.sleep(0.05)
