"""Owns `/v1/speech/languagemodels`: phrases that a client gives once and then names in `languageModel`."""

import json

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.configuration.config import LANGUAGE_MODELS
from stream.configuration.keys import is_id
from stream.errors import ClientError, Problem, quoted
from stream.vocabulary.training import clean
from web.auth.caller import Scope
from web.composition import Services
from web.rest.request.body import JSON_TYPE, check_keys, read_object
from web.rest.response.transcription import is_extended, timestamp
from web.store.languagemodels import LanguageModel
from web.store.tables import Training
from web.store.transcriptions import new_id

_MOST_BYTES = 4 << 20
_MOST_NAME_CHARACTERS = 255
_MOST_ENTRIES = 10_000
_MOST_ENTRY_CHARACTERS = 1000
_MISSING = object()


class LanguageModelResult(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A language model; of the caller's own `extended=true` tells how many phrases are made of how many corpora."""

    language_model_id: str
    name: str
    status: str
    phrases: int | msgspec.UnsetType = msgspec.UNSET
    corpora: int | msgspec.UnsetType = msgspec.UNSET
    created_at: str | msgspec.UnsetType = msgspec.UNSET


_BUILT_IN = {name: LanguageModelResult(name, name, Training.TRAINED.value) for name in LANGUAGE_MODELS}


async def create(request: Request) -> Response:
    """Answer 201 with a model that is queued for training; it can be named once it is trained."""
    services: Services = request.app.state.services
    owner = (await services.auth.caller(request, Scope.MODELS)).owner
    extended = is_extended(request)
    model_id = new_id()
    with services.bodies.memory.open(owner) as held:
        body = await read_object(request, _MOST_BYTES, held.require)
        check_keys(body, "name", "corpora")
        name, corpora = _name(body, model_id), _corpora(body)
    unknown = await services.models.unknown([entry for entry in corpora if is_id(entry)], owner)
    if unknown:
        raise ClientError(Problem.NOT_FOUND, f"there is no transcription {unknown[0]}")
    most = services.settings.models_per_owner
    model = await services.models.open(model_id, owner, name, corpora, most=most)
    services.trainer.wake()
    response = _response(_result(model, extended=extended), 201)
    response.headers["Location"] = f"/v1/speech/languagemodels/{model.id}"
    return response


async def show(request: Request) -> Response:
    """Answer 200 with a model; the built-in ones are known by their names."""
    services: Services = request.app.state.services
    owner = (await services.auth.caller(request, Scope.MODELS)).owner
    extended = is_extended(request)
    model_id = str(request.path_params["language_model_id"])
    if model_id in _BUILT_IN:
        return _response(_BUILT_IN[model_id])
    model = await services.models.get(model_id, owner) if is_id(model_id) else None
    if model is None:
        raise _unknown(model_id)
    return _response(_result(model, extended=extended))


async def remove(request: Request) -> Response:
    """Delete a model of the caller's and answer 204; connections that use it keep its phrases to their end."""
    services: Services = request.app.state.services
    owner = (await services.auth.caller(request, Scope.MODELS)).owner
    model_id = str(request.path_params["language_model_id"])
    if model_id in _BUILT_IN:
        raise ClientError(Problem.FORBIDDEN, f"the language model {model_id} is built in and stays")
    if not is_id(model_id) or not await services.models.delete(model_id, owner):
        raise _unknown(model_id)
    return Response(status_code=204)


def _unknown(model_id: str) -> ClientError:
    shown = model_id if is_id(model_id) else quoted(model_id)
    return ClientError(Problem.NOT_FOUND, f"there is no language model {shown}")


async def index(request: Request) -> Response:
    """Answer 200 with the built-in models and then the caller's, the newest first."""
    services: Services = request.app.state.services
    owner = (await services.auth.caller(request, Scope.MODELS)).owner
    extended = is_extended(request)
    own = [_result(model, extended=extended) for model in await services.models.all(owner)]
    return _response([*_BUILT_IN.values(), *own])


def _name(body: dict[str, object], model_id: str) -> str:
    """The name that was given; without one a model is called by its id, as the built-in ones are."""
    given = body.get("name")
    if given is None:
        return model_id
    name = clean(given) if isinstance(given, str) else ""
    if not 1 <= len(name) <= _MOST_NAME_CHARACTERS:
        raise _refusal("name", given, f"1 to {_MOST_NAME_CHARACTERS} characters")
    return name


def _corpora(body: dict[str, object]) -> list[str]:
    given = body.get("corpora", _MISSING)
    allowed = f"a list of 1 to {_MOST_ENTRIES} phrases, sentences or ids of transcriptions"
    if not isinstance(given, list) or not given:
        raise _refusal("corpora", given, allowed)
    if len(given) > _MOST_ENTRIES:
        raise ClientError(Problem.INVALID_CONFIG, f"corpora has {len(given)} entries; it must be {allowed}")
    return [_entry(number, entry) for number, entry in enumerate(given)]


def _entry(number: int, given: object) -> str:
    entry = given.strip() if isinstance(given, str) else ""
    if not 1 <= len(entry) <= _MOST_ENTRY_CHARACTERS:
        raise _refusal(f"corpora[{number}]", given, f"1 to {_MOST_ENTRY_CHARACTERS} characters")
    return entry


def _refusal(key: str, value: object, allowed: str) -> ClientError:
    shown = "missing" if value is _MISSING else quoted(value if isinstance(value, str) else json.dumps(value))
    return ClientError(Problem.INVALID_CONFIG, f"{key} is {shown}; it must be {allowed}")


def _result(model: LanguageModel, *, extended: bool) -> LanguageModelResult:
    plain = LanguageModelResult(model.id, model.name, model.status.value)
    if not extended:
        return plain
    created_at = timestamp(model.created_at)
    return msgspec.structs.replace(plain, phrases=model.phrases, corpora=model.corpora, created_at=created_at)


def _response(body: LanguageModelResult | list[LanguageModelResult], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=JSON_TYPE)
