"""Discover a server's health, models and languages.

A server lists its models as rows, maps of texts. Real servers write `type` ("online", "offline"), or `streaming` and
`offline` as "true", "True" or "1"; `language_code` may be a list with commas.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from riva.client.proto import riva_asr_pb2 as pb

from stream.recognition import places
from stream.recognition.recognizer import RecognizerError
from stream.riva.errors import UNDECODABLE, RivaError, riva_error
from stream.riva.servers.channels import PooledChannel

DISCOVERY_SECONDS = 3.0

ONLINE, OFFLINE = "online", "offline"
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
# The types of streaming models.
_ONLINE_TYPES = frozenset({ONLINE, "streaming"})

Parameters = Mapping[str, str]

Metadata = tuple[tuple[str, str], ...]


class NotServingError(RecognizerError):
    """The server answers that it is not ready."""

    def __init__(self) -> None:
        super().__init__("NOT_SERVING: the server says that it is not ready", retryable=True)


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the server; only those with the mode `online` recognize live audio. `license` is "" for unknown."""

    name: str
    mode: str
    languages: tuple[str, ...]
    license: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a server serves; `languages` are those of its live models, in its order.

    `admits_sessions` if it holds places for live sessions and signals every second that it works on a call.
    """

    models: tuple[Model, ...]
    languages: tuple[str, ...]
    has_health_service: bool
    knows_closed_vocabularies: bool
    promises_stable_words: bool
    admits_sessions: bool = False

    @property
    def offline_languages(self) -> tuple[str, ...]:
        """The languages of its offline models only."""
        others = dict.fromkeys(tag for model in self.models if model.mode != ONLINE for tag in model.languages)
        return tuple(tag for tag in others if tag not in self.languages)


async def discover(channel: PooledChannel, metadata: Metadata) -> Served:
    """Query health and models; raises RivaError, and NotServingError if the server is up but not ready."""
    models = channel.asr.GetRivaSpeechRecognitionConfig(
        pb.RivaSpeechRecognitionConfigRequest(), timeout=DISCOVERY_SECONDS, metadata=metadata
    )
    try:
        has_health_service = await _check_health(channel, metadata)
        response = await models
    except grpc.aio.AioRpcError as error:
        raise riva_error(error.code(), error.details(), error.trailing_metadata()) from None
    finally:
        models.cancel()
    if response is None:  # grpc.aio returns None for an invalid message
        raise RivaError(grpc.StatusCode.INTERNAL, UNDECODABLE)
    return _served(response, has_health_service=has_health_service)


async def _check_health(channel: PooledChannel, metadata: Metadata) -> bool:
    """Return whether the server has a health service; errors are ignored, because a proxy may not pass it on."""
    stub = health_pb2_grpc.HealthStub(channel.channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=DISCOVERY_SECONDS, metadata=metadata)
    except grpc.aio.AioRpcError:
        return False
    if answer is not None and answer.status == health_pb2.HealthCheckResponse.NOT_SERVING:
        raise NotServingError
    return answer is not None


def _served(response: pb.RivaSpeechRecognitionConfigResponse, *, has_health_service: bool) -> Served:
    return Served(
        models=tuple(_model(row) for row in response.model_config),
        languages=online_languages(response.model_config),
        has_health_service=has_health_service,
        knows_closed_vocabularies=has_ability(response.model_config, "closed_vocabulary"),
        promises_stable_words=has_ability(response.model_config, "stable_words"),
        admits_sessions=has_ability(response.model_config, places.ADMITS_SESSIONS),
    )


def _model(row: pb.RivaSpeechRecognitionConfigResponse.Config) -> Model:
    license_name = row.parameters.get("license", "").strip()
    return Model(row.model_name, mode(row.parameters), languages(row.parameters), license=license_name)


def mode(parameters: Parameters) -> str:
    """Return `online` for a streaming model, or one without a type; else its type."""
    kind = _text(parameters, "type")
    if kind:
        return ONLINE if kind in _ONLINE_TYPES else kind
    streams, is_offline = _boolean(parameters, "streaming"), _boolean(parameters, "offline")
    if streams is None:
        return OFFLINE if is_offline else ONLINE
    return ONLINE if streams else OFFLINE


def languages(parameters: Parameters) -> tuple[str, ...]:
    """Return the language tags of a row, each once."""
    tags = (tag.strip() for tag in parameters.get("language_code", "").split(","))
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def online_languages(rows: Iterable[pb.RivaSpeechRecognitionConfigResponse.Config]) -> tuple[str, ...]:
    """Return the language tags that streaming models serve, each once, in the server's order."""
    online = (row.parameters for row in rows if mode(row.parameters) == ONLINE)
    return tuple(dict.fromkeys(tag for parameters in online for tag in languages(parameters)))


def has_ability(rows: Iterable[pb.RivaSpeechRecognitionConfigResponse.Config], parameter: str) -> bool:
    """Whether a model has an ability such as `closed_vocabulary` or `stable_words`."""
    return any(_boolean(row.parameters, parameter) for row in rows)


def _text(parameters: Parameters, name: str) -> str:
    return parameters.get(name, "").strip().lower()


def _boolean(parameters: Parameters, name: str) -> bool | None:
    """Return the value of a boolean parameter, None if it is missing or invalid."""
    text = _text(parameters, name)
    return True if text in _TRUE else False if text in _FALSE else None
