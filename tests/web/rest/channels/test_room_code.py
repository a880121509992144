from io import BytesIO

import httpx
import pytest
import segno

from tests.web.support.gateway import Gateway

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]


def drawn(address: str) -> bytes:
    written = BytesIO()
    segno.make(address, error="m", micro=False).save(
        written, kind="svg", border=4, dark="black", light="white", omitsize=True
    )
    return written.getvalue()


async def test_the_code_has_the_address_by_which_the_server_was_asked(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/watch/main-stage/qr.svg", headers={"Host": "captions.example:8443"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.content == drawn("http://captions.example:8443/watch/main-stage")


async def test_the_token_of_a_reader_is_in_the_code(client: httpx.AsyncClient) -> None:
    answer = await client.get("/watch/main-stage/qr.svg?jwt=a.b&other=c", headers={"Host": "captions.example"})
    assert answer.content == drawn("http://captions.example/watch/main-stage?jwt=a.b")


async def test_an_address_that_no_phone_would_read_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/watch/main-stage/qr.svg?jwt={'a' * 1000}", headers={"Host": "captions.example"})
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "the address has 1045 characters; a code has at most 1000",
    )
