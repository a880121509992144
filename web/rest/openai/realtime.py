"""`/v1/realtime/client_secrets` and `.../transcription_sessions`: tokens for the Realtime sessions of pages."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.configuration.config import SessionConfig
from stream.errors import Problem, shown
from stream.paths import REALTIME_PATH
from stream.protocols.openai.errors import FieldError
from stream.protocols.openai.realtime.protocol import realtime_config
from stream.protocols.openai.realtime.session_settings import UpdateReader, first_settings
from stream.protocols.openai.realtime.writer import BetaWriter, GaWriter, RealtimeWriter, ShownSession
from stream.runtime.fairness import FairShare
from web.auth.caller import Caller
from web.rest.openai.models import OPENAI
from web.rest.tokens import MOST_SECONDS_ONCE, NO_STORE, SessionToken, SessionTokens, optional_object
from web.routes.operations import JSON_TYPE, Answer, Media, Opaque, Operation, json_content, route

# OpenAI's own bounds and default; our tokens for one use expire earlier.
_LEAST_SECONDS, _MOST_SECONDS, _USUAL_SECONDS = 10, 7200, 600
# Terms to listen for are the largest part.
_MOST_BYTES = 1 << 16


class RealtimeSessionObject(Opaque):
    """A session as `session.update` has it."""

    schema: ClassVar = {"type": "object", "description": "a session as a `session.update` on its WebSocket has it"}


class SecretExpiryObject(Opaque):
    """When a secret expires."""

    schema: ClassVar = {
        "type": "object",
        "description": f"when it expires; our secrets are for one use, within {MOST_SECONDS_ONCE} seconds",
        "properties": {
            "anchor": {"const": "created_at"},
            "seconds": {"type": "integer", "minimum": _LEAST_SECONDS, "maximum": _MOST_SECONDS},
        },
    }


class ClientSecretRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a secret is to be for; all of it may be left out."""

    session: RealtimeSessionObject | msgspec.UnsetType = msgspec.UNSET
    expires_after: SecretExpiryObject | msgspec.UnsetType = msgspec.UNSET


class ClientSecret(msgspec.Struct, frozen=True):
    """A token for one session; any text on a server that asks for none."""

    value: Annotated[str, Meta(description="what a page sends as its key")]
    expires_at: Annotated[int, Meta(description="in seconds since 1970; until then it opens a session")]


class ClientSecretAnswer(ClientSecret, frozen=True, kw_only=True):
    """A secret, and the session that it opens."""

    session: Annotated[dict[str, Any], Meta(description="the session, as `session.created` on its WebSocket has it")]


_SESSION: dict[str, object] = {"type": "transcription", "audio": {"input": {"transcription": {"language": "en"}}}}
_ANSWER = {"value": "eyJhbGciOiJIUzI1NiJ9...", "expires_at": 1_767_605_460, "session": _SESSION}
_PROBLEMS = (
    *(Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.TOO_LARGE),
    *(Problem.UNSUPPORTED_MEDIA, Problem.OVERLOADED),
)
SECRETS = Operation(
    method="POST",
    path=f"{REALTIME_PATH}/client_secrets",
    id="createRealtimeClientSecret",
    tag=OPENAI,
    summary="Trade a key for the secret of one Realtime session",
    description="The key has the scopes `tokens` and `live`; the secret is a token for one use, whose session begins "
    "with the settings given here.",
    body={JSON_TYPE: Media(ClientSecretRequest, example={"session": _SESSION})},
    is_body_required=False,
    answers={200: Answer(description="the secret", content=json_content(ClientSecretAnswer, _ANSWER))},
    problems=_PROBLEMS,
)
SESSIONS = Operation(
    method="POST",
    path=f"{REALTIME_PATH}/transcription_sessions",
    id="createRealtimeTranscriptionSession",
    tag=OPENAI,
    summary="The same in the shape of the beta version",
    description="The body is the session itself, the answer has its secret as `client_secret`.",
    body={JSON_TYPE: Media(dict, example={"input_audio_format": "pcm16"})},
    is_body_required=False,
    answers={200: Answer(description="the session with its secret", content=json_content(dict))},
    problems=_PROBLEMS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIRealtimeRoutes:
    """Secrets of Realtime sessions; `config` holds where neither a token nor a client sets anything."""

    tokens: SessionTokens
    fair_share: FairShare
    config: SessionConfig
    stream_seconds: float

    @route(SECRETS)
    async def client_secrets(self, request: Request) -> Response:
        """Answer 200 with a secret and the session that it opens."""
        caller = await self.tokens.caller(request)
        body = await optional_object(request, self.fair_share, _MOST_BYTES)
        seconds = _seconds(body.get("expires_after"), "expires_after")
        secret, session = self._session(caller, body.get("session"), seconds, GaWriter)
        answer = ClientSecretAnswer(value=secret.value, expires_at=secret.expires_at, session=session)
        return Response(msgspec.json.encode(answer), 200, NO_STORE, JSON_TYPE)

    @route(SESSIONS)
    async def transcription_sessions(self, request: Request) -> Response:
        """Answer 200 with a session and its secret."""
        caller = await self.tokens.caller(request)
        body = await optional_object(request, self.fair_share, _MOST_BYTES)
        wanted = body.pop("client_secret", None)
        expiry = wanted.get("expires_at") if isinstance(wanted, Mapping) else None
        seconds = _seconds(expiry, "client_secret.expires_at")
        secret, session = self._session(caller, body, seconds, BetaWriter)
        answer = session | {"client_secret": {"value": secret.value, "expires_at": secret.expires_at}}
        return Response(msgspec.json.encode(answer), 200, NO_STORE, JSON_TYPE)

    def _session(
        self, caller: Caller, wanted: object, seconds: float, writer: type[RealtimeWriter]
    ) -> tuple[SessionToken, dict[str, Any]]:
        """Return the secret of a session with these settings, and the session as it is shown."""
        if wanted is not None and not isinstance(wanted, Mapping):
            raise _refused("session", wanted, "an object")
        config = realtime_config(caller.configured(self.config))
        update = UpdateReader(config).read(wanted or {})
        config = config.with_message(update.values, audio_began=False)
        now = int(self.tokens.clock())
        token = self.tokens.token(caller, seconds, update.values)
        # Without a key any secret opens a session, which then begins with the server's own settings.
        secret = token or SessionToken(f"ek_{secrets.token_urlsafe(24)}", now + int(seconds))
        settings = update.applied(first_settings(config))
        shown_session = ShownSession(f"sess_{secrets.token_hex(16)}", now + int(self.stream_seconds), settings, config)
        return secret, writer.session(shown_session)


def _seconds(wanted: object, param: str) -> float:
    """Return for how long a secret is wanted."""
    if wanted is None:
        return _USUAL_SECONDS
    seconds = wanted.get("seconds", _USUAL_SECONDS) if isinstance(wanted, Mapping) else wanted
    if type(seconds) is not int or not _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
        raise _refused(f"{param}.seconds", seconds, f"between {_LEAST_SECONDS} and {_MOST_SECONDS}")
    return seconds


def _refused(param: str, value: object, allowed: str) -> FieldError:
    detail = f"{param} is {shown(value)}; it must be {allowed}"
    return FieldError(Problem.INVALID_CONFIG, detail, param=param, code="invalid_value")
