import httpx
import pytest

from tests.support.sounds import clip_pcm, wav
from tests.web.rest.recordings import QUICK_AND_TRAIN
from tests.web.support.gateway import Gateway

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

ASR = "/api/v1/asr/recognize"


async def test_every_utterance_is_a_result_with_its_alternatives(client: httpx.AsyncClient) -> None:
    answer = await client.post(ASR, files={"audio": wav(QUICK_AND_TRAIN)})
    assert answer.status_code == 200
    assert [list(result) for result in answer.json()] == [["alternatives"], ["alternatives"]]
    best = answer.json()[1]["alternatives"][0]
    assert list(best) == ["transcript", "confidence", "words"]
    assert best["words"][0]["startTime"] > 3


async def test_nothing_said_is_no_result(client: httpx.AsyncClient) -> None:
    assert (await client.post(ASR, files={"audio": wav(bytes(32_000))})).json() == []


async def test_more_than_a_minute_is_taken_but_not_more_than_ten(gateway: Gateway, client: httpx.AsyncClient) -> None:
    assert (await client.post(ASR, files={"audio": wav(bytes(32_000 * 70) + clip_pcm("yes.wav"))})).status_code == 200
    assert gateway.book.streams[-1].options.is_file
    answer = await client.post(ASR, files={"audio": wav(bytes(32_000 * 602))})
    assert (answer.status_code, answer.json()["type"]) == (413, "too_large")


@pytest.mark.parametrize(("language", "status"), [("en-gb", 200), ("en", 200), ("fr-fr", 400), ("%00", 400)])
async def test_the_language_is_in_the_path(client: httpx.AsyncClient, language: str, status: int) -> None:
    answer = await client.post(f"/api/v1/{language}/asr/recognize", files={"audio": wav(QUICK_AND_TRAIN)})
    assert answer.status_code == status


async def test_nothing_of_it_is_kept(client: httpx.AsyncClient) -> None:
    await client.post(ASR, files={"audio": wav(QUICK_AND_TRAIN)})
    assert (await client.get("/v1/speech/transcriptions")).json()["transcriptions"] == []


async def test_a_body_that_is_no_form_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(ASR, json={})
    assert (answer.status_code, answer.json()["type"]) == (415, "unsupported_media")
