"""`/v1/speech/languages`: the languages that `languageCode` takes."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from web.auth.caller import Scope
from web.composition import Services
from web.rest.request.body import JSON_TYPE


class LanguageList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The languages that are recognized; none while the recognizer has not said yet what it serves."""

    languages: Annotated[tuple[str, ...], Meta(description="each once", extra_json_schema={"uniqueItems": True})]


async def index(request: Request) -> Response:
    """Answer 200 with the languages, whether or not the recognizer is ready."""
    services: Services = request.app.state.services
    await services.auth.caller(request, Scope.LIVE)
    body = LanguageList(services.recognizer.languages)
    return Response(msgspec.json.encode(body), media_type=JSON_TYPE)
