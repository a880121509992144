"""`/openapi.json`, `/asyncapi.json` and `/docs`: the descriptions of the interfaces."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.lazy_import import lazy_import
from web.rest.pages import PAGE, PAGE_HEADERS
from web.routes.operations import JSON_TYPE, SERVER, Answer, Operation, json_content, route

if TYPE_CHECKING:
    from web.reference import asyncapi, docs, openapi
else:
    # Each document is made when it is first asked for.
    asyncapi = lazy_import("web.reference.asyncapi")
    docs = lazy_import("web.reference.docs")
    openapi = lazy_import("web.reference.openapi")

_DOCUMENT = {200: Answer(description="the document", content=json_content(dict))}
OPENAPI = Operation(
    method="GET",
    path="/openapi.json",
    id="getOpenApi",
    tag=SERVER,
    summary="Get this document",
    answers=_DOCUMENT,
    asks_for_token=False,
)
ASYNCAPI = Operation(
    method="GET",
    path="/asyncapi.json",
    id="getAsyncApi",
    tag=SERVER,
    summary="Get the AsyncAPI document of the WebSocket",
    answers=_DOCUMENT,
    asks_for_token=False,
)
DOCS = Operation(
    method="GET",
    path="/docs",
    id="readDocs",
    tag=SERVER,
    summary="Read both documents as a page",
    answers=PAGE,
    asks_for_token=False,
)


@dataclass(frozen=True)
class DocumentRoutes:
    """The descriptions of `resources`; they say whether the server `asks_for_token`."""

    resources: tuple[type, ...]
    asks_for_token: bool

    @route(OPENAPI)
    async def show_openapi(self, _: Request) -> Response:
        """Answer 200 with the OpenAPI document."""
        return Response(self._openapi, media_type=JSON_TYPE)

    @route(ASYNCAPI)
    async def show_asyncapi(self, _: Request) -> Response:
        """Answer 200 with the AsyncAPI document."""
        return Response(self._asyncapi, media_type=JSON_TYPE)

    @route(DOCS)
    async def show_docs(self, _: Request) -> Response:
        """Answer 200 with the page."""
        return Response(self._docs, media_type="text/html", headers=PAGE_HEADERS)

    @property
    def _openapi_document(self) -> dict[str, object]:
        return openapi.openapi(self.resources, asks_for_token=self.asks_for_token)

    @cached_property
    def _openapi(self) -> bytes:
        return msgspec.json.encode(self._openapi_document)

    @cached_property
    def _asyncapi(self) -> bytes:
        return msgspec.json.encode(asyncapi.asyncapi())

    @cached_property
    def _docs(self) -> str:
        return docs.docs_page(self._openapi_document, asyncapi.asyncapi())
