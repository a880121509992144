"""Ask a server what it says of itself: its health, its models and their languages."""

from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from riva.client.proto import riva_asr_pb2 as pb

from stream.recognition import places
from stream.recognition.recognizer import RecognizerError
from stream.riva.errors import UNDECODABLE, RivaError, riva_error
from stream.riva.servers.channels import PooledChannel
from stream.riva.servers.rows import ONLINE, has_ability, languages, mode, online_languages

DISCOVERY_SECONDS = 3.0

Metadata = tuple[tuple[str, str], ...]


class NotServingError(RecognizerError):
    """The server answers, and says that it is not ready."""

    def __init__(self) -> None:
        super().__init__("NOT_SERVING: the server says that it is not ready", retryable=True)


@dataclass(frozen=True, slots=True)
class Model:
    """One of the server's models; only those of the mode `online` recognize while people talk."""

    name: str
    mode: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """What a server serves; `languages` are those of its live models, in its order.

    `tells_health` is whether it answers questions for its health; `admits_sessions` whether it holds places for live
    sessions and tells calls each second that it is at them.
    """

    models: tuple[Model, ...]
    languages: tuple[str, ...]
    tells_health: bool
    knows_closed_vocabularies: bool
    promises_stable_words: bool
    admits_sessions: bool = False

    @property
    def offline_languages(self) -> tuple[str, ...]:
        """The languages that only files can be recognized in."""
        others = dict.fromkeys(tag for model in self.models if model.mode != ONLINE for tag in model.languages)
        return tuple(tag for tag in others if tag not in self.languages)


async def discover(channel: PooledChannel, metadata: Metadata) -> Served:
    """Ask for health and models; raises RivaError, and NotServingError where a server is up but not ready."""
    models = channel.asr.GetRivaSpeechRecognitionConfig(
        pb.RivaSpeechRecognitionConfigRequest(), timeout=DISCOVERY_SECONDS, metadata=metadata
    )
    try:
        tells_health = await _check_health(channel, metadata)
        response = await models
    except grpc.aio.AioRpcError as error:
        raise riva_error(error.code(), error.details(), error.trailing_metadata()) from None
    finally:
        models.cancel()
    if response is None:  # so grpc.aio hands over what is no message of this kind
        raise RivaError(grpc.StatusCode.INTERNAL, UNDECODABLE)
    return _served(response, tells_health=tells_health)


async def _check_health(channel: PooledChannel, metadata: Metadata) -> bool:
    """Whether the server tells its health; only what it says counts, because a question may well end at a proxy."""
    stub = health_pb2_grpc.HealthStub(channel.channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=DISCOVERY_SECONDS, metadata=metadata)
    except grpc.aio.AioRpcError:
        return False
    if answer is not None and answer.status == health_pb2.HealthCheckResponse.NOT_SERVING:
        raise NotServingError
    return answer is not None


def _served(response: pb.RivaSpeechRecognitionConfigResponse, *, tells_health: bool) -> Served:
    return Served(
        models=tuple(_model(row) for row in response.model_config),
        languages=online_languages(response.model_config),
        tells_health=tells_health,
        knows_closed_vocabularies=has_ability(response.model_config, "closed_vocabulary"),
        promises_stable_words=has_ability(response.model_config, "stable_words"),
        admits_sessions=has_ability(response.model_config, places.ADMITS_SESSIONS),
    )


def _model(row: pb.RivaSpeechRecognitionConfigResponse.Config) -> Model:
    return Model(row.model_name, mode(row.parameters), languages(row.parameters))
