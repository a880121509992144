"""`/v1/speech/languagemodels`: phrases that a client gives once and then names in `languageModel`."""

import json
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.configuration.config import LANGUAGE_MODELS
from stream.configuration.keys import is_id
from stream.errors import ClientError, Problem, quoted
from stream.runtime.fairness import FairShare
from stream.vocabulary.training import clean
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.jobs.training import Trainer
from web.memory.budget import BodyBudgets
from web.rest.request.body import HELD_PROBLEMS, read_object
from web.rest.request.structs import MISSING, converted
from web.rest.response.fields import Timestamp, timestamp
from web.rest.response.formats import EXTENDED, is_extended
from web.routes.operations import JSON_TYPE, Answer, Link, Media, Operation, Tag, json_content, route
from web.routes.schemas import in_path
from web.store.languagemodels import LanguageModel as StoredModel
from web.store.languagemodels import LanguageModels
from web.store.tables import Training
from web.store.transcriptions import new_id

_MOST_BYTES = 4 << 20
_MOST_ENTRIES = 10_000
# Python takes some control characters for white space, which patterns do not.
_NOT_BLANK = r"[^\s\u001c-\u001f\u0085]"
_ENTRIES = f"a list of 1 to {_MOST_ENTRIES} phrases, sentences or ids of transcriptions"

Entry = Annotated[str, Meta(min_length=1, max_length=1000, pattern=_NOT_BLANK)]


class LanguageModelRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a language model is made of."""

    name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=255, pattern=r"[^\s\u0000-\u001f\u007f-\u009f]")] | None,
        Meta(description="for people; without one the model is called by its id"),
    ] = None
    corpora: Annotated[
        list[Entry],
        Meta(
            min_length=1,
            max_length=_MOST_ENTRIES,
            description="phrases, sentences, or ids of transcriptions, whose text is taken",
            extra={"allowed": _ENTRIES},
        ),
    ]


class LanguageModel(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A language model; of the caller's own `extended=true` tells how many phrases are made of how many corpora."""

    language_model_id: Annotated[str, Meta(description="what `languageModel` in a configuration takes")]
    name: Annotated[str, Meta(description="for people")]
    status: Annotated[
        str,
        Meta(description="only a trained one can be used", extra_json_schema={"enum": [one.value for one in Training]}),
    ]
    phrases: Annotated[int | msgspec.UnsetType, Meta(description="how many phrases were made of them")] = msgspec.UNSET
    corpora: Annotated[int | msgspec.UnsetType, Meta(description="how many entries were given")] = msgspec.UNSET
    created_at: Timestamp | msgspec.UnsetType = msgspec.UNSET


_BUILT_IN = {name: LanguageModel(name, name, Training.TRAINED.value) for name in LANGUAGE_MODELS}
_TAG = Tag("language models", "words to listen for, given once and then named")
_PATH = "/v1/speech/languagemodels"
_ID = in_path(
    "language_model_id",
    "the id of a language model, or the name of a built-in one",
    {"anyOf": [{"enum": list(LANGUAGE_MODELS)}, {"type": "string", "format": "uuid"}]},
)
_TRAINED = {"languageModelId": "205271fc-a409-44f3-8cfb-b6ef7a1e34e3", "name": "boats", "status": "trained"}
_BOATS = {"summary": "two phrases", "value": {"name": "boats", "corpora": ["the harbour master", "Gothenburg"]}}
INDEX = Operation(
    method="GET",
    path=_PATH,
    id="listLanguageModels",
    tag=_TAG,
    summary="List the built-in language models, then the caller's, newest first",
    parameters=(EXTENDED,),
    answers={200: Answer(description="all of them", content=json_content(list[LanguageModel], [_TRAINED]))},
    problems=(Problem.INVALID_CONFIG,),
)
CREATE = Operation(
    method="POST",
    path=_PATH,
    id="createLanguageModel",
    tag=_TAG,
    summary="Train a language model: words to listen for",
    description="Once it is `trained`, `languageModel` in a configuration takes its id.",
    parameters=(EXTENDED,),
    body={JSON_TYPE: Media(LanguageModelRequest, examples={"boats": _BOATS})},
    answers={
        201: Answer(
            description="accepted",
            content=json_content(LanguageModel, _TRAINED | {"status": "queued"}),
            links={"languageModel": Link("getLanguageModel", "language_model_id", "languageModelId")},
        )
    },
    problems=(
        *(Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.TOO_LARGE),
        *(Problem.UNSUPPORTED_MEDIA, *HELD_PROBLEMS),
    ),
)
SHOW = Operation(
    method="GET",
    path=f"{_PATH}/{{language_model_id}}",
    id="getLanguageModel",
    tag=_TAG,
    summary="Get a language model",
    parameters=(_ID, EXTENDED),
    answers={200: Answer(description="the language model", content=json_content(LanguageModel, _TRAINED))},
    problems=(Problem.INVALID_CONFIG, Problem.NOT_FOUND),
)
REMOVE = Operation(
    method="DELETE",
    path=SHOW.path,
    id="deleteLanguageModel",
    tag=_TAG,
    summary="Delete a language model and the texts it was made of",
    description="Connections that use it keep its phrases to their end.",
    parameters=(_ID,),
    answers={204: Answer(description="it is gone")},
    problems=(Problem.NOT_FOUND,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModelRoutes:
    """Language models of a caller, `models_per_owner` at most, beside the built-in ones."""

    auth: Authenticator
    models: LanguageModels
    trainer: Trainer
    bodies: BodyBudgets
    fair_share: FairShare
    models_per_owner: int

    @route(INDEX)
    async def index(self, request: Request) -> Response:
        """Answer 200 with the built-in models and then the caller's, the newest first."""
        owner = (await self.auth.caller(request, Scope.MODELS)).owner
        extended = is_extended(request)
        own = [_result(model, extended=extended) for model in await self.models.all(owner)]
        return _response([*_BUILT_IN.values(), *own])

    @route(CREATE)
    async def create(self, request: Request) -> Response:
        """Answer 201 with a model that is queued for training; it can be named once it is trained."""
        owner = (await self.auth.caller(request, Scope.MODELS)).owner
        extended = is_extended(request)
        model_id = new_id()
        with self.bodies.memory.open(owner) as held:
            body = await read_object(request, self.fair_share, _MOST_BYTES, held.require)
            wanted = converted(_cleaned(body), LanguageModelRequest, _show, given=body)
        # Without a name a model is called by its id, as the built-in ones are.
        name, corpora = wanted.name or model_id, wanted.corpora
        unknown = await self.models.unknown([entry for entry in corpora if is_id(entry)], owner)
        if unknown:
            raise ClientError(Problem.NOT_FOUND, f"there is no transcription {unknown[0]}")
        most = self.models_per_owner
        model = await self.models.open(model_id, owner, name, corpora, most=most)
        self.trainer.wake()
        response = _response(_result(model, extended=extended), 201)
        response.headers["Location"] = f"{_PATH}/{model.id}"
        return response

    @route(SHOW)
    async def show(self, request: Request) -> Response:
        """Answer 200 with a model; the built-in ones are known by their names."""
        owner = (await self.auth.caller(request, Scope.MODELS)).owner
        extended = is_extended(request)
        model_id = str(request.path_params["language_model_id"])
        if model_id in _BUILT_IN:
            return _response(_BUILT_IN[model_id])
        model = await self.models.get(model_id, owner) if is_id(model_id) else None
        if model is None:
            raise _unknown(model_id)
        return _response(_result(model, extended=extended))

    @route(REMOVE)
    async def remove(self, request: Request) -> Response:
        """Delete a model of the caller's and answer 204; connections that use it keep its phrases to their end."""
        owner = (await self.auth.caller(request, Scope.MODELS)).owner
        model_id = str(request.path_params["language_model_id"])
        if model_id in _BUILT_IN:
            raise ClientError(Problem.FORBIDDEN, f"the language model {model_id} is built in and stays")
        if not is_id(model_id) or not await self.models.delete(model_id, owner):
            raise _unknown(model_id)
        return Response(status_code=204)


def _unknown(model_id: str) -> ClientError:
    shown = model_id if is_id(model_id) else quoted(model_id)
    return ClientError(Problem.NOT_FOUND, f"there is no language model {shown}")


def _cleaned(body: dict[str, object]) -> dict[str, object]:
    """The body with its texts as they are kept: a clean name, entries without white space around them."""
    cleaned = dict(body)
    if isinstance(name := body.get("name"), str):
        cleaned["name"] = clean(name)
    if isinstance(corpora := body.get("corpora"), list):
        cleaned["corpora"] = [entry.strip() if isinstance(entry, str) else entry for entry in corpora]
    return cleaned


def _show(value: object) -> str:
    return "missing" if value is MISSING else quoted(value if isinstance(value, str) else json.dumps(value))


def _result(model: StoredModel, *, extended: bool) -> LanguageModel:
    plain = LanguageModel(model.id, model.name, model.status.value)
    if not extended:
        return plain
    created_at = timestamp(model.created_at)
    return msgspec.structs.replace(plain, phrases=model.phrases, corpora=model.corpora, created_at=created_at)


def _response(body: LanguageModel | list[LanguageModel], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=JSON_TYPE)
