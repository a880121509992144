"""`/v1/models`: the models that OpenAI's clients list and look up."""

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import Problem
from stream.protocols.openai.models import MODEL_NAMES, OpenAIModel, OpenAIModelList, model_list, model_named
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.routes.operations import JSON_TYPE, Answer, Operation, Tag, json_content, route
from web.routes.schemas import in_path

OPENAI = Tag("OpenAI", "the calls of OpenAI's audio API, for its SDKs and for programs that take a base URL")
_CREATED = 1_764_460_800
_EXAMPLE: dict[str, Any] = msgspec.to_builtins(model_named(MODEL_NAMES[0], _CREATED))
_MODEL = in_path("model", "a name of the list", {"type": "string"})
INDEX = Operation(
    method="GET",
    path="/v1/models",
    id="listOpenAIModels",
    tag=OPENAI,
    summary="List names that `model` takes",
    description="All of them mean the recognizer of this server; those of `asrModel` also set its presets.",
    answers={
        200: Answer(
            description="the names", content=json_content(OpenAIModelList, {"object": "list", "data": [_EXAMPLE]})
        )
    },
)
SHOW = Operation(
    method="GET",
    path="/v1/models/{model}",
    id="getOpenAIModel",
    tag=OPENAI,
    summary="Look a name up",
    parameters=(_MODEL,),
    answers={200: Answer(description="it is in the list", content=json_content(OpenAIModel, _EXAMPLE))},
    problems=(Problem.NOT_FOUND,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIModelRoutes:
    """The names of models; they are as old as the server, `created` in seconds since 1970."""

    auth: Authenticator
    created: int

    @route(INDEX)
    async def index(self, request: Request) -> Response:
        """Answer 200 with all names."""
        await self.auth.caller(request, Scope.RECORDINGS)
        return Response(msgspec.json.encode(model_list(self.created)), media_type=JSON_TYPE)

    @route(SHOW)
    async def show(self, request: Request) -> Response:
        """Answer 200 with a name of the list."""
        await self.auth.caller(request, Scope.RECORDINGS)
        found = model_named(str(request.path_params["model"]), self.created)
        return Response(msgspec.json.encode(found), media_type=JSON_TYPE)
