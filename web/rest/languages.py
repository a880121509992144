"""`/v1/speech/languages`: the languages that `languageCode` takes."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.recognition.recognizer import Recognizer
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.routes.operations import JSON_TYPE, SERVER, Answer, Operation, json_content, route


class LanguageList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The languages that are recognized; none until the recognizer has reported them."""

    languages: Annotated[tuple[str, ...], Meta(description="each once", extra_json_schema={"uniqueItems": True})]


INDEX = Operation(
    method="GET",
    path="/v1/speech/languages",
    id="listLanguages",
    tag=SERVER,
    summary="List the languages that are recognized",
    description="`languageCode` in a configuration takes them. None are listed while the recognizer has not said yet "
    "what it serves.",
    answers={
        200: Answer(
            description="those served now, then those whose server is down",
            content=json_content(LanguageList, {"languages": ["en-US"]}),
        )
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageRoutes:
    """The languages that can be asked for."""

    auth: Authenticator
    recognizer: Recognizer

    @route(INDEX)
    async def index(self, request: Request) -> Response:
        """Answer 200 with the languages, whether or not the recognizer is ready."""
        await self.auth.caller(request, Scope.LIVE)
        body = LanguageList(self.recognizer.languages)
        return Response(msgspec.json.encode(body), media_type=JSON_TYPE)
