"""Operations of the HTTP routes: what each takes and answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stream.errors import Problem
from stream.paths import HEALTH_PATH, LIVE_PATH
from web.reference.configuration import Schema
from web.reference.examples import (
    HEALTHY,
    KEYS_OF_SERVER,
    LANGUAGE_MODEL,
    LANGUAGES,
    PROMISED,
    QUICK,
    RECOGNIZED,
    REQUESTS,
    TRADED,
    TRANSCRIPTIONS,
)
from web.reference.parameters import (
    BEFORE,
    EXTENDED,
    FORMAT,
    LANGUAGE,
    LANGUAGE_MODEL_ID,
    LIMIT,
    TRANSCRIPTION_ID,
    live_query,
)
from web.reference.structures import reference

JSON = "application/json"
_FORM = "multipart/form-data"
_BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: media types with their schemas, headers (True: always sent), links."""

    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, bool] = field(default_factory=dict)
    links: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path; `problems` in addition to those of every route, `body` by media type."""

    id: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    problems: tuple[Problem, ...] = ()
    parameters: tuple[Schema, ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    asks_for_token: bool = True
    is_body_required: bool = True


_TRANSCRIPTION: Schema = {"anyOf": [reference("Transcription"), reference("ExtendedTranscription")]}
_MODEL = reference("LanguageModel")
_TEXT: Schema = {"schema": {"type": "string"}}
_PAGE = Answer("the page", {"text/html": _TEXT})
_DOCUMENT = Answer("the document", {JSON: {"schema": {"type": "object"}}})
_CONFIG = (Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND)
_SOUND = (Problem.INVALID_AUDIO, Problem.TOO_LARGE, Problem.UNSUPPORTED_MEDIA)
_BUSY = (Problem.OVERLOADED, Problem.SHUTTING_DOWN)
_HELD = (Problem.RATE_LIMITED, Problem.OVERLOADED, Problem.IDLE_TIMEOUT)
_RECOGNIZED_NOW = (*_CONFIG, *_SOUND, *_HELD, Problem.SHUTTING_DOWN, Problem.RECOGNIZER_FAILED)
_ENCODING = {"config": {"contentType": JSON}, "audio": {"contentType": _BYTES}}
_SHORT_FORM: Schema = {"schema": reference("ShortForm"), "encoding": _ENCODING}
_LONG_FORM: Schema = {"schema": reference("LongForm"), "encoding": _ENCODING}


def _json(schema: Schema, example: object | None = None) -> dict[str, Schema]:
    return {JSON: {"schema": schema} | ({} if example is None else {"example": example})}


def _link(operation: str, parameter: str, field_name: str) -> Schema:
    return {"operationId": operation, "parameters": {parameter: f"$response.body#/{field_name}"}}


_SHOW = {"transcription": _link("getTranscription", "transcription_id", "transcriptionId")}
_UPLOAD = {"upload": _link("uploadRecording", "transcription_id", "transcriptionId")}
_MODEL_LINK = {"languageModel": _link("getLanguageModel", "language_model_id", "languageModelId")}
_OVH = Operation(
    "recognizeAsOvh",
    "OVH",
    "Recognize a recording of up to ten minutes, as OVH's AI Endpoints do",
    {200: Answer("one entry for each utterance, none if nothing was said", _json(
        {"type": "array", "items": reference("Recognized")}, RECOGNIZED))},
    "Nothing is kept. A `config`, which OVH does not have, is taken here, too.",
    _RECOGNIZED_NOW,
    body={_FORM: _SHORT_FORM},
)  # fmt: skip

_RECOGNIZED = Answer("the transcription, `done`", _json(_TRANSCRIPTION, QUICK), {"Location": True}, _SHOW)

OPERATIONS: dict[str, dict[str, Operation]] = {
    "/v1/speech/asr": {
        "post": Operation(
            "recognize",
            "recordings",
            "Recognize a recording of up to a minute",
            {
                200: replace(_RECOGNIZED, description="the same, where `asrStatus` is 200"),
                201: _RECOGNIZED,
            },
            "`config` may be empty: what a file is, its first bytes tell. The transcription is kept unless `store` is "
            "false.",
            _RECOGNIZED_NOW,
            (EXTENDED,),
            {
                JSON: {"schema": reference("ShortRequest"), "examples": REQUESTS["short"]},
                _FORM: _SHORT_FORM,
            },
        )
    },
    "/v1/speech/asrlongrunning": {
        "post": Operation(
            "recognizeLong",
            "recordings",
            "Have a long recording recognized",
            {
                201: Answer(
                    "accepted (`Upload-Location` only where an upload was promised)",
                    _json(_TRANSCRIPTION, PROMISED),
                    {"Location": True, "Upload-Location": False},
                    _SHOW | _UPLOAD,
                )
            },
            "The audio is fetched from a `uri`, uploaded afterwards, or comes with the request. Ask `Location` how far "
            "it is; the work survives a restart of the server.",
            (*_CONFIG, *_SOUND, *_HELD, Problem.SHUTTING_DOWN),
            (EXTENDED,),
            {
                JSON: {"schema": reference("LongRequest"), "examples": REQUESTS["long"]},
                _FORM: _LONG_FORM,
            },
        )
    },
    "/v1/speech/transcriptions": {
        "get": Operation(
            "listTranscriptions",
            "transcriptions",
            "List the caller's transcriptions, newest first",
            {200: Answer("a part of the list", _json(reference("TranscriptionList"), TRANSCRIPTIONS))},
            "",
            (Problem.INVALID_CONFIG,),
            (LIMIT, BEFORE),
        )
    },
    "/v1/speech/transcriptions/{transcription_id}": {
        "get": Operation(
            "getTranscription",
            "transcriptions",
            "Get a transcription as far as it is",
            {
                200: Answer(
                    "what is settled so far",
                    _json(_TRANSCRIPTION, QUICK)
                    | dict.fromkeys(("text/plain", "application/x-subrip", "text/vtt"), _TEXT),
                )
            },
            "Live ones are here, too. A recording that failed answers its error with the status of that. Without "
            "`format` the first media type of `Accept` holds that there is.",
            (Problem.INVALID_CONFIG, Problem.NOT_FOUND, *_SOUND, Problem.RECOGNIZER_FAILED, Problem.IDLE_TIMEOUT),
            (TRANSCRIPTION_ID, FORMAT, EXTENDED),
        ),
        "delete": Operation(
            "deleteTranscription",
            "transcriptions",
            "Delete a transcription, text and sound",
            {204: Answer("it is gone")},
            "One that is still in work is not worked on any further.",
            (Problem.NOT_FOUND,),
            (TRANSCRIPTION_ID,),
        ),
    },
    "/v1/speech/transcriptions/{transcription_id}/audio": {
        "put": Operation(
            "uploadRecording",
            "recordings",
            "Upload the recording that was promised",
            {200: Answer("its state", _json(_TRANSCRIPTION, PROMISED))},
            "The bytes of the file, whatever the media type; recognition begins as they arrive. An upload that broke "
            "off may be made again from the beginning of the file.",
            (*_SOUND, *_BUSY, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.RATE_LIMITED),
            (TRANSCRIPTION_ID, EXTENDED),
            {_BYTES: {"schema": {"type": "string", "format": "binary"}}},
        )
    },
    "/v1/speech/languagemodels": {
        "get": Operation(
            "listLanguageModels",
            "language models",
            "List the built-in language models, then the caller's, newest first",
            {200: Answer("all of them", _json({"type": "array", "items": _MODEL}, [LANGUAGE_MODEL]))},
            "",
            (Problem.INVALID_CONFIG,),
            (EXTENDED,),
        ),
        "post": Operation(
            "createLanguageModel",
            "language models",
            "Train a language model: words to listen for",
            {201: Answer("accepted", _json(_MODEL, LANGUAGE_MODEL | {"status": "queued"}), {}, _MODEL_LINK)},
            "Once it is `trained`, `languageModel` in a configuration takes its id.",
            (Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.TOO_LARGE,
             Problem.UNSUPPORTED_MEDIA, *_HELD),
            (EXTENDED,),
            {JSON: {"schema": reference("LanguageModelRequest"), "examples": REQUESTS["model"]}},
        ),
    },
    "/v1/speech/languagemodels/{language_model_id}": {
        "get": Operation(
            "getLanguageModel",
            "language models",
            "Get a language model",
            {200: Answer("the language model", _json(_MODEL, LANGUAGE_MODEL))},
            "",
            (Problem.INVALID_CONFIG, Problem.NOT_FOUND),
            (LANGUAGE_MODEL_ID, EXTENDED),
        ),
        "delete": Operation(
            "deleteLanguageModel",
            "language models",
            "Delete a language model and the texts it was made of",
            {204: Answer("it is gone")},
            "Connections that use it keep its phrases to their end.",
            (Problem.NOT_FOUND,),
            (LANGUAGE_MODEL_ID,),
        ),
    },
    "/v1/tokens": {
        "post": Operation(
            "tradeToken",
            "server",
            "Trade a key, a token with the scope `tokens`, for a token that a browser may have",
            {201: Answer("the token", _json(reference("TradedToken"), TRADED))},
            "Without a body: for one use, the first handshake or request that it opens, within 60 seconds; its expiry "
            "limits the handshake only. The new token has the `sub`, the limits and the `config` of the key, and no "
            "scope that the key has not. 404 on servers that only verify tokens (`NIYOSHA_TOKEN_JWKS`), or want none.",
            (Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.TOO_LARGE,
             Problem.UNSUPPORTED_MEDIA, Problem.OVERLOADED),
            body={JSON: {"schema": reference("TokenRequest"), "examples": REQUESTS["token"]}},
            is_body_required=False,
        )
    },
    "/v1/speech/languages": {
        "get": Operation(
            "listLanguages",
            "server",
            "List the languages that are recognized",
            {200: Answer("those served now, then those whose server is down", _json(
                reference("LanguageList"), LANGUAGES))},
            "`languageCode` in a configuration takes them. None are listed while the recognizer has not said yet what "
            "it serves.",
        )
    },
    "/v1/speech/configuration": {
        "get": Operation(
            "getConfiguration",
            "server",
            "Get the keys of a configuration with the bounds and defaults of this server",
            {200: Answer("the keys, and what each `asrModel` sets", _json(
                reference("ServerConfiguration"), KEYS_OF_SERVER))},
            asks_for_token=False,
        )
    },
    LIVE_PATH: {
        "get": Operation(
            "explainLive",
            "live",
            "Ask why a WebSocket handshake would be refused",
            {},
            "Live recognition is a WebSocket at this address, which `/asyncapi.json` describes. A plain GET makes the "
            "same checks and answers what a browser hides from its page; 426 when all is well.",
            (Problem.INVALID_CONFIG, Problem.NOT_FOUND, *_BUSY, Problem.RATE_LIMITED, Problem.UPGRADE_REQUIRED),
            live_query(),
        )
    },
    "/api/v1/asr/recognize": {"post": _OVH},
    "/api/v1/{language}/asr/recognize": {
        "post": replace(
            _OVH, id="recognizeLanguageAsOvh", summary=f"{_OVH.summary}, in a language", parameters=(LANGUAGE,)
        )
    },
    HEALTH_PATH: {
        "get": Operation(
            "checkHealth",
            "server",
            "Tell whether the recognizer is ready",
            {200: Answer("the state, whatever it is", _json(reference("Health"), HEALTHY))},
            asks_for_token=False,
        )
    },
    "/livez": {"get": Operation("checkLive", "server", "Tell that the process works",
                                {200: Answer("it does", _json(reference("Liveness"), {"status": "live"}))},
                                asks_for_token=False)},
    "/readyz": {"get": Operation("checkReady", "server", "Tell whether a new stream would be admitted",
                                 {200: Answer("it would", _json(reference("Liveness"), {"status": "ready"}))},
                                 "503 while the recognizer or the database is down and while the server stops; "
                                 "`detail` says which.", _BUSY, asks_for_token=False)},
    "/metrics": {"get": Operation("getMetrics", "server", "Get the numbers of this process, for Prometheus",
                                  {200: Answer("Prometheus' text format", {"text/plain": _TEXT})},
                                  "Where tokens are asked for, one with the scope `metrics`.")},
    "/openapi.json": {"get": Operation("getOpenApi", "server", "Get this document", {200: _DOCUMENT},
                                       asks_for_token=False)},
    "/asyncapi.json": {"get": Operation("getAsyncApi", "server", "Get the AsyncAPI document of the WebSocket",
                                        {200: _DOCUMENT}, asks_for_token=False)},
    "/docs": {"get": Operation("readDocs", "server", "Read both documents as a page", {200: _PAGE},
                               asks_for_token=False)},
    "/": {"get": Operation("openDictation", "server", "Open the page that writes down what a microphone hears",
                           {200: _PAGE}, asks_for_token=False)},
    "/captions": {"get": Operation("openCaptions", "server", "Open the page that shows it large, in two lines",
                                   {200: _PAGE}, asks_for_token=False)},
    "/commands": {"get": Operation("openCommands", "server", "Open the page that finds spoken phrases",
                                   {200: _PAGE}, asks_for_token=False)},
}  # fmt: skip
