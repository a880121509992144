"""`POST /v1/listen`: recognize a recording as Deepgram's API does, from the body or from an address."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.audio.containers.declaration import MismatchError
from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.deepgram.messages import MODEL_ID, model_info
from stream.protocols.deepgram.parameters import ListenRequest, listen_request
from stream.protocols.deepgram.protocol import LISTEN_PATH, key_of
from stream.protocols.deepgram.recording import DeepgramTranscription, Recognized, transcription
from stream.recognition.options import recognition_options
from stream.runtime.fairness import FairShare
from stream.session.events import Finished
from web.auth.authenticator import Authenticator
from web.auth.caller import Caller, Scope
from web.fetch.download import FetchError, FetchOptions, check_uri, fetched
from web.jobs.queue import MOST_FETCHES, MOST_FETCHES_PER_OWNER
from web.limits.limits import Limits
from web.live.admission import handshake_of
from web.memory.budget import BodyBudgets, Held
from web.rest.deepgram.documented import BODY, PARAMETERS
from web.rest.recordings import REQUEST_PROBLEMS, RecordingAdmission, ShortTranscriptions, Transcriber
from web.rest.request.body import Body, media_type, read_object
from web.rest.request.connected import while_connected
from web.rest.request.spool import SpooledRecording, spooled
from web.rest.response.documented import DONE, EXAMPLE_ID, HYPOTHESIS, LOCATION
from web.rest.response.transcription import address_of
from web.routes.operations import JSON_TYPE, Answer, Header, Operation, Tag, json_content, route

_MOST_JSON_BYTES = 1 << 14
_RETRY_AFTER_SECONDS = 5
_EXAMPLE: dict[str, Any] = {
    "metadata": {
        "transaction_key": "deprecated",
        "request_id": EXAMPLE_ID,
        "sha256": "0a6ee7e5ac9a5b6e4d4e7f9a0fd1f3a5d4c1f6b7d0b1e2f3a4b5c6d7e8f90a1b",
        "created": "2026-11-30T12:00:00.000Z",
        "duration": DONE["duration"],
        "channels": 1,
        "models": [MODEL_ID],
        "model_info": {MODEL_ID: msgspec.to_builtins(model_info("nova-3"))},
    },
    "results": {
        "channels": [
            {
                "alternatives": [
                    {"transcript": HYPOTHESIS["transcript"], "confidence": HYPOTHESIS["confidence"], "words": []}
                ]
            }
        ]
    },
}
LISTEN = Operation(
    method="POST",
    path=LISTEN_PATH,
    id="transcribeAsDeepgram",
    tag=Tag("Deepgram", "the calls of Deepgram's listen API, for its SDKs"),
    summary="Recognize a recording, as Deepgram's API does",
    description="The transcription is kept like one of `/v1/speech/asr`. Live recognition is a WebSocket at the same "
    "address.",
    parameters=PARAMETERS,
    body=BODY,
    answers={
        200: Answer(
            description="the transcription",
            content=json_content(DeepgramTranscription, _EXAMPLE),
            headers={
                "Location": Header(f"{LOCATION.description}, where it is kept", LOCATION.schema, is_always_sent=False)
            },
        )
    },
    problems=(*REQUEST_PROBLEMS, Problem.RECOGNIZER_FAILED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepgramRoutes:
    """Recordings of up to `most_seconds`, within the size that downloads may have; `fetch` has their limits."""

    auth: Authenticator
    limits: Limits
    admission: RecordingAdmission
    transcriber: Transcriber
    kept: ShortTranscriptions
    bodies: BodyBudgets
    fair_share: FairShare
    fetch: FetchOptions
    most_seconds: float
    # The downloads in progress by owner.
    _fetching: Counter[str] = field(default_factory=Counter, init=False)

    @route(LISTEN)
    async def listen(self, request: Request) -> Response:
        """Answer 200 with the transcription of the body, or of the recording whose address it has."""
        handshake = handshake_of(request)
        caller = await self.auth.caller(request, Scope.RECORDINGS, token=key_of(handshake))
        self.admission.check_ready()
        await self.limits.check_minutes(caller)
        asked = listen_request(handshake.query)
        config = await self.admission.adapted(caller, asked.configured)
        recognition_options(config, self.admission.recognizer)
        async with self._recording(request, caller) as recording:
            return await while_connected(request.receive, self._answer(caller, asked, config, recording))

    @asynccontextmanager
    async def _recording(self, request: Request, caller: Caller) -> AsyncIterator[SpooledRecording]:
        """Hold the recording on disk while the context lasts."""
        with self.bodies.disk.open(caller.owner) as disk:
            if media_type(request) != JSON_TYPE:
                async with spooled(Body(request).pieces(self.fetch.most_bytes, disk.require)) as recording:
                    yield recording
                return
            with self.bodies.memory.open(caller.owner) as memory:
                url = _url(await read_object(request, self.fair_share, _MOST_JSON_BYTES, memory.require))
            async with AsyncExitStack() as held:
                yield await self._fetched(url, caller.owner, disk, held)

    async def _fetched(self, url: str, owner: str, disk: Held, held: AsyncExitStack) -> SpooledRecording:
        """Download a recording, and hold it until `held` is closed; raises ClientError."""
        check_uri(url, self.fetch)
        with self._place_for_fetching(owner):
            try:
                async with fetched(url, self.fetch) as download:
                    disk.require(download.total_bytes or 0)
                    return await held.enter_async_context(spooled(_counted(download.chunks(), disk)))
            except FetchError as failed:
                raise failed.error from None

    async def _answer(
        self, caller: Caller, asked: ListenRequest, config: SessionConfig, recording: SpooledRecording
    ) -> Response:
        config, finished = await self._recognize(caller, config, recording)
        summary = await self.kept.keep(caller.owner, config, finished)
        recognized = Recognized(
            request=asked,
            request_id=summary.id,
            sha256=recording.sha256,
            done_at=summary.created_at,
            channels=config.channels,
            finished=finished,
        )
        # Hours of talk take a tenth of a second.
        body = await asyncio.to_thread(lambda: msgspec.json.encode(transcription(recognized)))
        response = Response(body, media_type=JSON_TYPE, headers={"dg-request-id": summary.id})
        if config.store:
            response.headers["Location"] = address_of(summary.id)
        return response

    async def _recognize(
        self, caller: Caller, config: SessionConfig, recording: SpooledRecording
    ) -> tuple[SessionConfig, Finished]:
        """Recognize each channel on its own where that was asked for and there are two; return the configuration."""
        try:
            try:
                audio = await recording.audio()
                return config, await self.transcriber.transcribe(caller, config, audio, self.most_seconds)
            except MismatchError as mismatch:
                if mismatch.key != "channels":
                    raise
            mono, audio = replace(config, channels=1), await recording.audio()
            return mono, await self.transcriber.transcribe(caller, mono, audio, self.most_seconds)
        except ClientError as error:
            if error.problem is Problem.UNSUPPORTED_MEDIA:
                raise ClientError(Problem.INVALID_AUDIO, error.detail) from None
            raise

    @contextmanager
    def _place_for_fetching(self, owner: str) -> Iterator[None]:
        """Count a download while the context lasts; raises ClientError where there are too many."""
        if self._fetching[owner] >= MOST_FETCHES_PER_OWNER or self._fetching.total() >= MOST_FETCHES:
            most = f"{MOST_FETCHES_PER_OWNER} recordings of a caller, {MOST_FETCHES} of all"
            detail = f"as many recordings are being fetched as may be at once, {most}; come again soon"
            raise ClientError(Problem.RATE_LIMITED, detail, retry_after_seconds=_RETRY_AFTER_SECONDS)
        self._fetching[owner] += 1
        try:
            yield
        finally:
            self._fetching[owner] -= 1
            if not self._fetching[owner]:
                del self._fetching[owner]


async def _counted(pieces: AsyncIterator[bytes], disk: Held) -> AsyncIterator[bytes]:
    """Yield the pieces, after there is room on disk for them."""
    received_bytes = 0
    async for piece in pieces:
        received_bytes += len(piece)
        disk.require(received_bytes)
        yield piece


def _url(body: dict[str, object]) -> str:
    match body:
        case {"url": str(url)}:
            return url
        case _:
            raise ClientError(
                Problem.INVALID_MESSAGE, 'the body has no url; it must be {"url": "https://..."}, or audio'
            )
