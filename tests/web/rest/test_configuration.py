import httpx
import pytest

from stream.configuration.config import SessionConfig
from stream.configuration.presets import PRESETS
from tests.web.support.gateway import Gateway, running_gateway
from tests.web.support.sockets import http_client
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

PATH = "/v1/speech/configuration"


async def test_every_key_has_its_schema_and_default(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    keys = answer.json()["keys"]
    assert keys["hangoverMs"] == {"type": "integer", "minimum": 100, "maximum": 5000, "default": 600}
    private = {"phrases", "languageModel"}
    defaults = {name: value for name, value in SessionConfig().on_wire().items() if name not in private}
    assert {name: key["default"] for name, key in keys.items() if name not in private} == defaults
    assert private <= keys.keys()
    assert not any("default" in keys[name] for name in private)


async def test_each_model_has_its_pause(client: httpx.AsyncClient) -> None:
    models = (await client.get(PATH)).json()["models"]
    assert models == {
        name: {"hangoverMs": preset.hangover_ms, "vadAggressiveness": preset.vad_aggressiveness}
        for name, preset in PRESETS.items()
    }


async def test_the_defaults_of_the_server_replace_the_usual_ones() -> None:
    settings = Settings(port=0, stream_defaults={"asrModel": "video", "hangoverMs": 900, "phrases": ["Project Iris"]})
    async with running_gateway(settings=settings) as base, http_client(base) as http:
        answer = await http.get(PATH)
    body = answer.json()
    assert body["keys"]["asrModel"]["default"] == "video"
    assert body["models"]["phone_call"] == {"hangoverMs": 900, "vadAggressiveness": 2}
    assert "Iris" not in answer.text


async def test_no_token_is_needed(gateway: Gateway) -> None:
    async with http_client(gateway.base) as stranger:
        assert (await stranger.get(PATH)).status_code == 200
