"""The gateway in front of Riva servers, started as the settings say."""

from pathlib import Path

import pytest
import trustme

from tests.stream.riva.scripted_riva import ScriptedRiva, server_credentials, serving
from tests.support.sounds import clip_pcm
from tests.web.support.sockets import converse, refusal
from web.process.serve import running
from web.settings.settings import Settings, SettingsError


async def test_one_of_several_servers_is_enough_for_the_languages_it_has() -> None:
    riva = ScriptedRiva()
    async with (
        serving(riva) as living,
        running(Settings(port=0, riva_uri=f"127.0.0.1:1,{living.address}")) as gateway,
    ):
        assert gateway.is_ready
        conversation = await converse(gateway.url, clip_pcm("quick.wav"), "close")
        status, body = await refusal(gateway.url, "languageCode=fa")
    assert (status, body["type"]) == (400, "invalid_config")
    assert "languageCode is fa, which no model of this server recognizes; served: en-US" in body["detail"]
    assert conversation.transcript.startswith("s0")
    assert len(riva.opened) == 1


async def test_what_is_set_for_riva_reaches_it(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    riva = ScriptedRiva()
    async with serving(riva, credentials=server_credentials(ca)) as server:
        settings = Settings(
            port=0,
            riva_uri=f"localhost:{server.port}",
            riva_ca=tmp_path / "ca.pem",
            riva_function_id="f-1",
            riva_api_key="nvapi-key",
            riva_custom_configuration={"run_vad": "false"},
            riva_models={"default": "parakeet"},
        )
        async with running(settings) as gateway:
            assert gateway.is_ready
            await converse(gateway.url, clip_pcm("yes.wav"), "close")
    sent = {"function-id": "f-1", "authorization": "Bearer nvapi-key"}
    assert all(sent.items() <= metadata.items() for metadata in riva.metadata)
    assert riva.opened[0].config.model == "parakeet"
    assert dict(riva.opened[0].config.custom_configuration) == {"run_vad": "false"}


async def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(SettingsError, match=r"which cannot be read: No such file or directory$"):
        async with running(Settings(port=0, riva_uri="riva:443", riva_ca=path)):
            pass
