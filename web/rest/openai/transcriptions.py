"""`POST /v1/audio/transcriptions`: recognize a file as OpenAI's API does; `translations` are refused."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response

from stream.audio.format import Encoding
from stream.catalogue.models import advice_for, languages_to_get
from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem, quoted
from stream.protocols.farsava.results import result
from stream.protocols.openai.errors import FieldError
from stream.protocols.openai.models import preset_of
from stream.protocols.openai.transcription import (
    OpenAITranscription,
    OpenAIVerboseTranscription,
    json_pieces,
    language_name,
    text_pieces,
    verbose_pieces,
)
from stream.protocols.openai.transcription_events import COMMENT, OpenAIStreamEvent, TranscriptionEvents, failed
from stream.protocols.openai.transcription_request import ResponseFormat, TranscriptionRequest, transcription_request
from stream.recognition.options import recognition_options
from stream.recognition.recognizer import LanguageNotServedError, Recognizer
from stream.recordings.recognize_file import OnSettled, ignore_settled
from stream.recordings.subtitles import srt_pieces, vtt_pieces
from stream.runtime.fairness import FairShare
from stream.session.events import Finished, Settled
from web.auth.authenticator import Authenticator
from web.auth.caller import Caller, Scope
from web.limits.limits import Limits
from web.memory.budget import BodyBudgets
from web.rest.openai.event_stream import EVENT_STREAM_TYPE, EventStreamResponse, SendPiece
from web.rest.openai.form import FORM, FORM_LIMITS, of_file, recording_in, texts_of
from web.rest.openai.models import OPENAI
from web.rest.recordings import REQUEST_PROBLEMS, RecordingAdmission, ShortTranscriptions, Transcriber
from web.rest.request.audio import Audio
from web.rest.request.body import MULTIPART_TYPE, Body, read_parts
from web.rest.request.connected import while_connected
from web.rest.response.documented import DONE, LOCATION
from web.rest.response.formats import OutputFormat
from web.rest.response.transcription import MEDIA_TYPES, address_of, joined_in_turns
from web.routes.operations import JSON_TYPE, Answer, Header, Media, Operation, route
from web.store.transcriptions import Summary

_EXAMPLE = {
    "text": DONE["results"][0]["transcript"],  # type: ignore[index]
    "usage": {"type": "duration", "seconds": DONE["duration"]},
}
_LOCATION = Header(f"{LOCATION.description}, where it is kept", LOCATION.schema, is_always_sent=False)
TRANSCRIBE = Operation(
    method="POST",
    path="/v1/audio/transcriptions",
    id="transcribeAsOpenAI",
    tag=OPENAI,
    summary="Recognize a recording, as OpenAI's API does",
    description="The transcription is kept like one of `/v1/speech/asr`. With `stream` the answer has events: "
    "`transcript.text.delta` with more text, `transcript.text.segment` with `verbose_json`, and at the end "
    "`transcript.text.done` or an error.",
    body={MULTIPART_TYPE: FORM},
    answers={
        200: Answer(
            description="the transcription",
            content={
                JSON_TYPE: Media(OpenAITranscription | OpenAIVerboseTranscription, _EXAMPLE),
                **dict.fromkeys(("text/plain", "application/x-subrip", "text/vtt"), Media(str)),
                EVENT_STREAM_TYPE: Media(OpenAIStreamEvent),
            },
            headers={"Location": _LOCATION},
        )
    },
    problems=(*REQUEST_PROBLEMS, Problem.RECOGNIZER_FAILED),
)
TRANSLATE = Operation(
    method="POST",
    path="/v1/audio/translations",
    id="translateAsOpenAI",
    tag=OPENAI,
    summary="Refuse to translate a recording",
    description="The recognizer does not translate.",
    answers={},
    problems=(Problem.INVALID_CONFIG,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A recording that was accepted; `language_code` is the tag that the recognizer serves."""

    caller: Caller
    request: TranscriptionRequest
    config: SessionConfig
    language_code: str
    audio: Audio


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAITranscriptionRoutes:
    """Transcriptions of files of up to `most_bytes` and `most_seconds`, answered at the end or as events."""

    auth: Authenticator
    limits: Limits
    admission: RecordingAdmission
    transcriber: Transcriber
    kept: ShortTranscriptions
    bodies: BodyBudgets
    fair_share: FairShare
    most_bytes: int
    most_seconds: float

    @route(TRANSCRIBE)
    async def transcribe(self, request: Request) -> Response:
        """Answer 200 with the transcription of the form's `file`, or with events while it is recognized."""
        caller = await self.auth.caller(request, Scope.RECORDINGS)
        self.admission.check_ready()
        await self.limits.check_minutes(caller)
        async with AsyncExitStack() as held:
            reading = read_parts(Body(request), self.most_bytes, self.bodies, caller.owner, FORM_LIMITS)
            parts = await held.enter_async_context(reading)
            job = await self._job(caller, transcription_request(texts_of(parts)), await recording_in(parts))
            if not job.request.is_streamed:
                return await while_connected(request.receive, self._answer(job))

            async def send_events(send: SendPiece) -> None:
                await self._send_events(job, send)

            return EventStreamResponse(send_events, write_error=failed, comment=COMMENT, held=held.pop_all())

    @route(TRANSLATE)
    async def translate(self, request: Request) -> Response:
        """Refuse every request."""
        await self.auth.caller(request, Scope.RECORDINGS)
        detail = f"translations are not made here; {TRANSCRIBE.path} transcribes in the language that is spoken"
        raise ClientError(Problem.INVALID_CONFIG, detail)

    async def _job(self, caller: Caller, asked: TranscriptionRequest, audio: Audio) -> _Job:
        recognizer = self.admission.recognizer
        values: dict[str, object] = {}
        if asked.languages:
            values["languageCode"] = _served_language(asked.languages, recognizer)
        if (preset := preset_of(asked.model)) is not None:
            values["asrModel"] = preset
        config = _for_any_file(await self.admission.configured(caller, values))
        options = recognition_options(config, recognizer)
        # A prompt is a hint: what is too much of it is left out.
        room = max(0, recognizer.most_phrases - len(options.phrases))
        return _Job(
            caller=caller,
            request=asked,
            config=replace(config, phrases=(*config.phrases, *asked.phrases[:room])),
            language_code=options.language_code,
            audio=audio,
        )

    async def _recognize(self, job: _Job, on_settled: OnSettled = ignore_settled) -> tuple[Finished, Summary]:
        try:
            finished = await self.transcriber.transcribe(
                job.caller, job.config, job.audio, self.most_seconds, on_settled
            )
        except ClientError as error:
            raise of_file(error) from None
        return finished, await self.kept.keep(job.caller.owner, job.config, finished)

    async def _answer(self, job: _Job) -> Response:
        finished, summary = await self._recognize(job)
        kind, pieces = _written(job, finished)
        headers = {"Location": address_of(summary.id)} if job.config.store else None
        return Response(await joined_in_turns(pieces, self.fair_share), 200, headers, MEDIA_TYPES[kind])

    async def _send_events(self, job: _Job, send: SendPiece) -> None:
        events = TranscriptionEvents(job.request)

        async def send_settled(utterance: Settled) -> None:
            await send(events.settled(utterance))

        finished, _ = await self._recognize(job, send_settled)
        await send(await joined_in_turns(events.done_pieces(finished), self.fair_share))


def _written(job: _Job, finished: Finished) -> tuple[OutputFormat, Iterator[bytes]]:
    """Return the kind of the answer, and the answer in pieces."""
    best = (result(one.hypothesis.best) for one in finished.settled)
    match job.request.response_format:
        case ResponseFormat.TEXT:
            return OutputFormat.TEXT, (text.encode() for text in chain(text_pieces(finished.settled), ("\n",)))
        case ResponseFormat.JSON:
            return OutputFormat.JSON, json_pieces(finished, job.request)
        case ResponseFormat.VERBOSE_JSON:
            return OutputFormat.JSON, verbose_pieces(finished, job.request, job.language_code)
        case ResponseFormat.SRT:
            return OutputFormat.SRT, (piece.encode() for piece in srt_pieces(best))
        case ResponseFormat.VTT:
            return OutputFormat.VTT, (piece.encode() for piece in vtt_pieces(best))


def _served_language(languages: Sequence[str], recognizer: Recognizer) -> str:
    """Return the first language that is served, which may be given by its English name; raises FieldError."""
    names = {language_name(tag): tag for tag in reversed(recognizer.languages)}
    for language in languages:
        tag = names.get(language.lower(), language)
        try:
            recognizer.match_language(tag)
        except LanguageNotServedError:
            continue
        return tag
    given, served = " or ".join(map(quoted, languages)), ", ".join(recognizer.languages) or "none"
    detail = f"language is {given}, which no model of this server recognizes; served: {served}"
    to_get = {language_name(tag): tag for tag in languages_to_get()}
    if advice := next(filter(None, (advice_for(to_get.get(name.lower(), name)) for name in languages)), None):
        detail += f"; {advice}"
    raise FieldError(Problem.INVALID_CONFIG, detail, param="language", code="unsupported_language")


def _for_any_file(config: SessionConfig) -> SessionConfig:
    """Return a configuration for files that say themselves what they are; channels are mixed."""
    explicit = config.explicit - {"audioEncoding", "sampleRateHertz"}
    return replace(config, audio_encoding=Encoding.LINEAR16.value, channels=1, extended=False, explicit=explicit)
