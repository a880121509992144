"""Owns the application: its routes, and what lives as long as it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket

from stream.addresses import HEALTH_PATH, LIVE_PATH
from stream.recognizer import Recognizer
from stream.riva import RivaOptions, RivaRecognizer
from web.asyncapi import asyncapi_json
from web.live import Live
from web.responses import on_fault, on_http_exception
from web.rest.health import healthcheck
from web.sessions import Sessions
from web.settings import Settings

_STATIC = Path(__file__).with_name("static")
# After an upgrade old and new modules must not mix; a page of another site must not frame this one's microphone.
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def create_app(settings: Settings, recognizer: Recognizer | RivaOptions) -> Starlette:
    """Build the gateway in front of a recognizer; a Riva server's channel lives and ends with the application."""
    sessions = Sessions()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with _recognizing(recognizer) as ready:
            app.state.recognizer = ready
            app.state.live = Live(settings, ready, sessions)
            yield

    app = Starlette(
        routes=[
            WebSocketRoute(LIVE_PATH, _live),
            Route(LIVE_PATH, _explain, methods=["GET"]),
            Route("/asyncapi.json", asyncapi_json, methods=["GET"]),
            Route(HEALTH_PATH, healthcheck, methods=["GET"]),
            Route("/", _page, methods=["GET"]),
            Mount("/static", _Modules(directory=_STATIC)),
        ],
        exception_handlers={HTTPException: on_http_exception, Exception: on_fault},
        lifespan=lifespan,
    )
    app.state.sessions = sessions
    return app


@asynccontextmanager
async def _recognizing(recognizer: Recognizer | RivaOptions) -> AsyncIterator[Recognizer]:
    if not isinstance(recognizer, RivaOptions):
        yield recognizer
        return
    riva = RivaRecognizer(recognizer)
    watching = asyncio.create_task(riva.watch())
    try:
        yield riva
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await riva.close()


async def _live(websocket: WebSocket) -> None:
    live: Live = websocket.app.state.live
    await live.websocket(websocket)


async def _explain(request: Request) -> Response:
    live: Live = request.app.state.live
    return await live.explain(request)


async def _page(_: Request) -> Response:
    return FileResponse(_STATIC / "index.html", headers=_PAGE_HEADERS)


class _Modules(StaticFiles):
    """The files of the page, with the page's headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_PAGE_HEADERS)
        return response
