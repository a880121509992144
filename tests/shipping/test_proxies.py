"""The configuration of nginx, in a real nginx before the real server: live text, uploads, captions as they come."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
import trustme

from stream.client import connect, rest_client, transcribe
from stream.client.channels import Connected, Line, create_channel, delete_channel, read_channel
from stream.protocols.farsava.messages import Done
from tests.support.places import CLIPS, ROOT
from tests.support.ports import unused_port
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, clip_texts, words_of

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
SPOKEN = words_of(clip_texts()["quick.wav"])
pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed; Debian has it in the package nginx-light"
)


@pytest.fixture(scope="module")
def proxied(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of nginx with our configuration, and the certificate of its authority."""
    folder = tmp_path_factory.mktemp("nginx")
    authority, port = trustme.CA(), unused_port()
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "all.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    site = (ROOT / "deploy" / "proxies" / "nginx.conf").read_text()
    changes = {
        "127.0.0.1:8000": server.removeprefix("http://"),
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "    listen [::]:443 ssl;\n": "",
        "/etc/ssl/niyosha/fullchain.pem": str(folder / "all.pem"),
        "/etc/ssl/niyosha/key.pem": str(folder / "all.pem"),
    }
    for written, tested in changes.items():
        assert written in site
        site = site.replace(written, tested)
    places = "".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; error_log stderr; pid {folder / 'pid'}; events {{}}\n"
        f"http {{ access_log off; {places}\n{site}\n}}\n"
    )
    assert NGINX is not None
    with subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]) as process:
        try:
            answers(f"https://localhost:{port}", folder / "authority.pem")
            yield f"https://localhost:{port}", folder / "authority.pem"
        finally:
            process.terminate()


def answers(url: str, authority: Path) -> None:
    """Wait until a server answers."""
    context = ssl.create_default_context(cafile=str(authority))
    with httpx.Client(verify=context, transport=httpx.HTTPTransport(verify=context, retries=10)) as client:
        assert client.get(f"{url}/livez", timeout=STUCK_SECONDS).status_code == 200


@pytest.fixture(autouse=True)
def trusted(proxied: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(proxied[1]))


async def test_live_text_and_captions_come_through_nginx(proxied: tuple[str, Path]) -> None:
    url, _ = proxied

    async def chunks() -> AsyncIterator[bytes]:
        yield clip_pcm("quick.wav") + bytes(32_000)

    async with rest_client(url) as rest, asyncio.timeout(STUCK_SECONDS):
        await create_channel(rest, "through-nginx", is_public=True)
        async with aclosing(read_channel(rest, "through-nginx")) as events:
            # It comes at once, although the answer goes on.
            assert isinstance(await anext(events), Connected)
            config = {"channel": "through-nginx"}
            async with connect(url, config=config) as live, aclosing(transcribe(live, chunks())) as messages:
                done = [message async for message in messages][-1]
            line = await anext(one async for one in events if isinstance(one, Line) and one.is_settled)
        await delete_channel(rest, "through-nginx")
    assert isinstance(done, Done)
    assert words_of(done.results[0].transcript) == SPOKEN
    assert words_of(line.text) == SPOKEN


async def test_an_upload_larger_than_nginx_allows_by_default_comes_through(proxied: tuple[str, Path]) -> None:
    url, authority = proxied
    context = ssl.create_default_context(cafile=str(authority))
    silence = bytes(2_000_000)
    body = (CLIPS / "quick.wav").read_bytes()[44:] + silence
    async with httpx.AsyncClient(base_url=url, verify=context, timeout=STUCK_SECONDS) as client:
        answer = await client.post("/v1/speech/asrlongrunning", files={"audio": ("a.raw", body)}, data={"config": "{}"})
        assert answer.status_code == 201
        assert (await client.delete(f"/v1/speech/transcriptions/{answer.json()['transcriptionId']}")).is_success
