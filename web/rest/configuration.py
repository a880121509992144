"""`/v1/speech/configuration`: the keys of a configuration, with the bounds and defaults of this server."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.configuration.config import KEYS, SessionConfig
from stream.configuration.presets import PRESETS
from web.routes.operations import JSON_TYPE, SERVER, Answer, Operation, json_content, route

# Their defaults may be private to the operator; admitted clients receive them in `ready`.
_PRIVATE_KEYS = ("phrases", "languageModel")


class ModelDefaults(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What an `asrModel` sets where the client does not."""

    hangover_ms: Annotated[int, Meta(description="the pause that ends an utterance")]
    vad_aggressiveness: Annotated[int, Meta(description="from 0, nearly all is speech, to 3, most is noise")]


class ServerConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON Schema of each key with its default, and what each `asrModel` sets."""

    keys: Annotated[dict[str, dict[str, Any]], Meta(description="the JSON Schema of each key, with its default")]
    models: Annotated[dict[str, ModelDefaults], Meta(description="what each `asrModel` sets where the client does not")]


def _server_configuration(config: SessionConfig) -> ServerConfiguration:
    defaults = {name: value for name, value in config.on_wire().items() if name not in _PRIVATE_KEYS}
    keys = {key.name: key.schema | ({"default": defaults[key.name]} if key.name in defaults else {}) for key in KEYS}
    return ServerConfiguration(keys, {name: _model_defaults(config, name) for name in PRESETS})


def _model_defaults(config: SessionConfig, name: str) -> ModelDefaults:
    chosen = config.with_message({"asrModel": name}, audio_began=False)
    return ModelDefaults(chosen.hangover_ms, chosen.vad_aggressiveness)


def _example() -> dict[str, object]:
    """One key and one model, as a server with the usual defaults answers them."""
    answer = _server_configuration(SessionConfig())
    return {
        "keys": {"hangoverMs": answer.keys["hangoverMs"]},
        "models": {"video": msgspec.to_builtins(answer.models["video"])},
    }


SHOW = Operation(
    method="GET",
    path="/v1/speech/configuration",
    id="getConfiguration",
    tag=SERVER,
    summary="Get the keys of a configuration with the bounds and defaults of this server",
    answers={
        200: Answer(
            description="the keys, and what each `asrModel` sets", content=json_content(ServerConfiguration, _example())
        )
    },
    asks_for_token=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRoutes:
    """The keys of a configuration, with `config` as their defaults."""

    config: SessionConfig

    @route(SHOW)
    async def show(self, _: Request) -> Response:
        """Answer 200 with the keys; no token is needed, as for the OpenAPI document, which has them too."""
        body = _server_configuration(self.config)
        return Response(msgspec.json.encode(body), media_type=JSON_TYPE, headers={"Cache-Control": "no-cache"})
