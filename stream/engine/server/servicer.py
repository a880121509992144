"""The gRPC services of the engine: Riva's speech recognition, and the places of live sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from grpc.aio import EOF, ServicerContext
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc
from riva.client.proto import riva_common_pb2 as common

from stream.engine.audio import AudioError
from stream.engine.calls import CallModel, abilities
from stream.engine.model.models import Models
from stream.engine.options import CallOptions, RequestError, read_config
from stream.engine.recognition import AnyUtterance, Final, Recognition, ResultWriter
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.server.admission import Admission, AdmissionRequest, FullError, Place
from stream.engine.server.response_writer import ResponseWriter, StreamContext
from stream.engine.server.responses import ResponseBuilder
from stream.engine.server.text_style import TextStyle
from stream.engine.utterance import Partial
from stream.recognition import places
from stream.recognition.places import Refusal, WorkClass
from vad import SAMPLE_RATE

_ONLINE, _OFFLINE = "online", "offline"
# The event loop mostly learns of a cancelled call in its next iteration, but not always on a busy machine. A cancelled
# call that goes unnoticed costs a useless decode, so we wait 3 % of the time of a final.
_CANCELLATION_SECONDS = 0.005
# The client's gRPC library turns a refusal that arrives during a write into INTERNAL, and the first messages of a
# stream come in a burst.
_REFUSAL_SECONDS = 0.02
_END_UTTERANCE = "force_eou"

_Refusal = RequestError | AudioError


class RecognitionServicer(asr_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """Serves Riva's calls with `models`; `scheduler` orders the decodes, `admission` admits the sessions."""

    def __init__(self, models: Models, scheduler: Scheduler, admission: Admission) -> None:
        self._models = models
        self._scheduler = scheduler
        self._admission = admission
        # FFmpeg decodes for one call at a time, a second of audio or 32 kB at once, beside the event loop.
        self._codec_turn = asyncio.Semaphore(1)

    async def StreamingRecognize(self, _requests: object, context: StreamContext) -> None:
        """Send partials and finals for a stream of audio; INVALID_ARGUMENT for what is not served."""
        refusal: _Refusal | None = None
        is_file = _metadata(context).get(places.KIND) == places.FILE
        async with self._admitted(context, is_file=is_file) as place:
            try:
                await self._stream(context, place)
            except* (RequestError, AudioError) as group:
                refusal = _first(group)
        if refusal is not None:
            await _refuse_request(context, refusal)

    async def Recognize(
        self, request: asr.RecognizeRequest, context: ServicerContext[asr.RecognizeRequest, asr.RecognizeResponse]
    ) -> asr.RecognizeResponse:
        """Return the finals of complete audio; INVALID_ARGUMENT for what is not served."""
        async with self._admitted(context, is_file=True) as place:
            try:
                options = read_config(request.config)
                collector = _FinalCollector()
                async with aclosing(self._recognition(options, _OFFLINE, collector, place)) as recognition:
                    await recognition.feed(request.audio)
                    await recognition.drain()
            except (RequestError, AudioError) as error:
                await _refuse_request(context, error)
        return _builder(options).offline(collector.finals, _id_of(request))

    async def GetRivaSpeechRecognitionConfig(
        self, request: asr.RivaSpeechRecognitionConfigRequest, _context: object
    ) -> asr.RivaSpeechRecognitionConfigResponse:
        """Return one row for each model, language and mode, or only those of the model that the request names."""
        rows = [
            asr.RivaSpeechRecognitionConfigResponse.Config(
                model_name=model.name,
                parameters={
                    "type": mode,
                    "language_code": language,
                    "sample_rate": str(SAMPLE_RATE),
                    "license": model.license,
                    **abilities(model),
                    places.ADMITS_SESSIONS: places.YES,
                },
            )
            for model in self._models
            if request.model_name in ("", model.name)
            for language in model.languages
            for mode in (_ONLINE, _OFFLINE)
        ]
        return asr.RivaSpeechRecognitionConfigResponse(model_config=rows)

    async def hold(self, _requests: object, context: ServicerContext[Any, Any]) -> None:
        """Hold the place of a live session while the call is open; the first response says that it has one."""
        now = asyncio.get_running_loop().time
        try:
            place = self._admission.hold(self._admission_request(context), now())
        except FullError as error:
            await _refuse(context, error)
        try:
            await context.write(Empty())
            while await context.read() is not EOF:
                pass
        finally:
            self._admission.release(place, now())

    async def capacity(self, _request: Empty, _context: object) -> Struct:
        """Return how many places there are, and how many decodes wait for a worker."""
        now = asyncio.get_running_loop().time()
        capacity = self._admission.capacity(now, is_late=self._scheduler.is_late)
        response = Struct()
        response.update(
            {
                "places": capacity.places,
                "taken": capacity.taken,
                "free": capacity.free,
                "waiting": self._scheduler.waiting,
            }
        )
        return response

    @asynccontextmanager
    async def _admitted(self, context: ServicerContext[Any, Any], *, is_file: bool) -> AsyncIterator[Place]:
        """Hold the place of a call; without one the call is aborted, with gRPC's retry hint."""
        now = asyncio.get_running_loop().time
        try:
            place = self._admission.enter(self._admission_request(context), now(), is_file=is_file)
        except FullError as error:
            await asyncio.sleep(_REFUSAL_SECONDS)
            await _refuse(context, error)
        try:
            yield place
        finally:
            self._admission.leave(place, now())

    def _admission_request(self, context: ServicerContext[Any, Any]) -> AdmissionRequest:
        metadata = _metadata(context)
        work = metadata.get(places.WORK, "")
        return AdmissionRequest(
            session=metadata.get(places.SESSION, ""),
            owner=metadata.get(places.OWNER, ""),
            work=WorkClass(work) if work in list(WorkClass) else WorkClass.PLAIN,
            was_admitted=metadata.get(places.ADMITTED) == places.YES,
            is_late=self._scheduler.is_late,
        )

    def _recognition(self, options: CallOptions, mode: str, writer: ResultWriter, place: Place) -> Recognition:
        chosen = self._models.choose(options.language_code, options.model)
        if chosen is None:
            # Clients look for Riva's own wording.
            raise RequestError(f"Error: Unavailable model requested. Lang: {options.language_code}, Type: {mode}")
        model = CallModel(*chosen, options)
        place.usage.work = options.work_class
        return Recognition(
            model.decoder,
            self._scheduler,
            options,
            writer,
            codec_turn=self._codec_turn,
            is_file=place.is_file,
            usage=place.usage,
            open_utterance=model.open_utterance,
        )

    async def _stream(self, context: StreamContext, place: Place) -> None:
        first = await context.read()
        if first is EOF:
            return
        if not isinstance(first, asr.StreamingRecognizeRequest) or not first.HasField("streaming_config"):
            raise RequestError("the first message of a stream must be streaming_config")
        options = read_config(first.streaming_config.config)
        wants_partials = first.streaming_config.interim_results and not place.is_file
        writer = ResponseWriter(context, _builder(options), _id_of(first), wants_partials=wants_partials)
        async with aclosing(self._recognition(options, _ONLINE, writer, place)) as recognition:
            # Clients that wait for the metadata see a refusal as it is; during a write their library would turn it into
            # INTERNAL.
            await context.send_initial_metadata(())
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(recognition.follow(wants_partials=wants_partials))
                await _read_requests(context, recognition, writer)
                following.cancel()


class _FinalCollector:
    """Collects the finals of a call with complete audio."""

    def __init__(self) -> None:
        self.finals: list[Final] = []

    async def write_partial(self, partial: Partial, utterance: AnyUtterance) -> None:
        """Drop it: such a call has no partials."""

    async def write_delay(self) -> None:
        """Send nothing: such a call has one response."""

    async def write_final(self, final: Final) -> None:
        self.finals.append(final)


async def _read_requests(context: StreamContext, recognition: Recognition, writer: ResponseWriter) -> None:
    """Read to the end of the call; nothing is read while a final is decoded, which holds the client back."""
    while isinstance(request := await context.read(), asr.StreamingRecognizeRequest):
        writer.request_id = _id_of(request) or writer.request_id
        if request.HasField("streaming_config"):
            raise RequestError("streaming_config may only be the first message of a stream")
        await recognition.feed(request.audio_content)
        if request.runtime_config.get(_END_UTTERANCE, "").lower() == "true":
            await recognition.end_utterance()
        if request.HasField("audio_content"):
            await writer.acknowledge()
    # The messages of a cancelled call end like those of any other, and the cancellation arrives a little later.
    await asyncio.sleep(_CANCELLATION_SECONDS)
    await recognition.drain()


def _metadata(context: ServicerContext[Any, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in context.invocation_metadata() or ()}


async def _refuse_request(context: ServicerContext[Any, Any], error: _Refusal) -> NoReturn:
    """Abort a call for what it asks or sends; audio that may be served later has gRPC's retry hint."""
    if isinstance(error, AudioError) and error.retry_after_seconds is not None:
        await _refuse(context, FullError(Refusal.FULL, str(error), error.retry_after_seconds))
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


async def _refuse(context: ServicerContext[Any, Any], error: FullError) -> NoReturn:
    """Abort a call with gRPC's retry hint and the reason."""
    trailing = ((places.PUSHBACK, str(round(error.retry_after_seconds * 1000))), (places.REASON, error.reason.value))
    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), trailing)


def add_places_to_server(servicer: RecognitionServicer, server: grpc.aio.Server) -> None:
    """Register the service for places."""
    handlers = {
        places.HOLD: grpc.stream_stream_rpc_method_handler(servicer.hold, Empty.FromString, Empty.SerializeToString),
        places.CAPACITY: grpc.unary_unary_rpc_method_handler(
            servicer.capacity, Empty.FromString, Struct.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(places.SERVICE, handlers),))


def _builder(options: CallOptions) -> ResponseBuilder:
    return ResponseBuilder(
        word_times=options.word_times,
        most_alternatives=options.alternatives,
        style=TextStyle(punctuation=options.punctuation, masks_profanity=options.profanity_filter),
        separates_stable_words=options.separates_stable_words,
    )


def _id_of(request: asr.StreamingRecognizeRequest | asr.RecognizeRequest) -> common.RequestId | None:
    return request.id if request.HasField("id") else None


def _first(group: BaseExceptionGroup[_Refusal]) -> _Refusal:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
