"""`POST /nim/v1/realtime/transcription_sessions`: what NVIDIA's realtime clients ask for before their WebSocket."""

import secrets
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.configuration.config import SessionConfig
from stream.errors import Problem
from stream.paths import NIM_PATH
from stream.protocols.nim.protocol import nim_config
from stream.protocols.nim.session import NimSettings, NimUpdateReader, session_object
from stream.runtime.fairness import FairShare
from web.rest.tokens import MOST_SECONDS_ONCE, NO_STORE, SessionTokens, optional_object
from web.routes.operations import JSON_TYPE, Answer, Media, Operation, Tag, json_content, route

# Boosted words are the largest part.
_MOST_BYTES = 1 << 16
_EXAMPLE = session_object("sess_0123456789abcdef", NimSettings(), SessionConfig())
SESSIONS = Operation(
    method="POST",
    path=f"{NIM_PATH}/transcription_sessions",
    id="createNimTranscriptionSession",
    tag=Tag("NVIDIA", "the realtime API of NVIDIA Speech NIM, for its clients"),
    summary="Begin a realtime session, as NVIDIA's clients do",
    description="The session with its defaults; its `client_secret` is a token for one use, and null on a server that "
    "asks for none. Settings in the body hold from the beginning of the session.",
    body={JSON_TYPE: Media(dict, example={})},
    is_body_required=False,
    answers={200: Answer(description="the session", content=json_content(dict, _EXAMPLE))},
    problems=(
        *(Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.TOO_LARGE),
        *(Problem.UNSUPPORTED_MEDIA, Problem.OVERLOADED),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NimRoutes:
    """Sessions of NVIDIA's realtime clients; `config` holds where neither a token nor a client sets anything."""

    tokens: SessionTokens
    fair_share: FairShare
    config: SessionConfig

    @route(SESSIONS)
    async def transcription_sessions(self, request: Request) -> Response:
        """Answer 200 with a session, and a token that opens it."""
        caller = await self.tokens.caller(request)
        wanted = await optional_object(request, self.fair_share, _MOST_BYTES)
        config = nim_config(caller.configured(self.config))
        update = NimUpdateReader(config).read(wanted, NimSettings())
        config = config.with_message(update.values, audio_began=False)
        token = self.tokens.token(caller, MOST_SECONDS_ONCE, update.values if wanted else {})
        secret = None if token is None else {"value": token.value, "expires_at": token.expires_at}
        answer = session_object(f"sess_{secrets.token_hex(16)}", update.settings, config, secret)
        return Response(msgspec.json.encode(answer), 200, NO_STORE, JSON_TYPE)
