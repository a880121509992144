"""Narrows the OpenAPI document for schemathesis to what one server can recognize, and keeps it on this machine."""

from typing import Any
from urllib.parse import urlsplit

import schemathesis
from hypothesis import strategies
from schemathesis.transport.serialization import Binary

from tests.support.sounds import wav

LOOPBACK = {"127.0.0.1", "localhost"}
# Bare samples in any of the encodings.
# Resolves without asking anybody, and is refused as not public when the recording is fetched.
SOUND = b"\xff\x7f" * 80
NOWHERE = "http://localhost:9/recording.wav"


# Any file of this kind has to do; most bytes that could be made up are some other kind of file.
schemathesis.openapi.format("binary", strategies.just(Binary(SOUND)))


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """No schema can say which languages are served, or that bytes have the named encoding."""
    schemas = raw_schema["components"]["schemas"]
    keys = schemas["Configuration"]["properties"]
    queries = {one["name"]: one for one in raw_schema["paths"]["/v1/speech/asrlive"]["get"]["parameters"]}
    path = raw_schema["paths"]["/api/v1/{language}/asr/recognize"]["post"]["parameters"][0]
    keys["languageCode"] = queries["languageCode"]["schema"] = path["schema"] = {"type": "string", "enum": ["en"]}
    schemas["AudioData"]["properties"]["data"] = {"type": "string", "pattern": "^([A-Za-z0-9+/]{4}){1,50}$"}
    keys["audioEncoding"] = {"type": "string", "enum": ["MULAW", "ALAW", "LINEAR16"]}
    # Rules between keys: a query has none, and in a form they make schemathesis stumble over the file beside them.
    detector, mono = {"type": "string", "enum": ["webrtc", "silero"]}, {"type": "integer", "minimum": 1, "maximum": 1}
    queries["vad"]["schema"], queries["channels"]["schema"] = detector, mono
    # Phrases have to be there for a closed vocabulary.
    queries["vocabulary"]["schema"] = vocabulary = {"type": "string", "enum": ["open"]}
    plain = {name: value for name, value in schemas["Configuration"].items() if name != "allOf"}
    # A language in `config` goes before one in the path.
    keys_without_language = {name: value for name, value in keys.items() if name != "languageCode"}
    for form in ("ShortForm", "LongForm"):
        schemas[form]["properties"]["config"] = plain | {
            "properties": keys_without_language | {"vad": detector, "channels": mono, "vocabulary": vocabulary}
        }
    openai = schemas["OpenAITranscriptionForm"]
    english = {"type": "string", "enum": ["en", "english"]}
    openai["properties"] |= {
        "language": english,
        "languages[]": {"type": "array", "items": english},
        "response_format": {"type": "string", "enum": ["verbose_json"]},
    }
    del openai["allOf"]


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Send sound where any bytes would do, let none be fetched from another host, and call no other host."""
    assert urlsplit(case.operation.base_url).hostname in LOOPBACK
    # A new body, not a changed one: cases share theirs.
    match case.body:
        case {"audio": {"uri": str(uri), **audio}, **rest} if uri.lower().startswith("http") and len(uri) <= 2048:
            body: Any = {**rest, "audio": {**audio, "uri": NOWHERE}}
            case.body = body
        case {"url": str(uri), **rest} if uri.lower().startswith("http") and len(uri) <= 2048:
            elsewhere: Any = {**rest, "url": NOWHERE}
            case.body = elsewhere
        case {"file": Binary() as file, **rest} if "audio/transcriptions" in case.path and file == Binary(SOUND):
            # Bare samples are refused there.
            form: Any = {**rest, "file": Binary(wav(SOUND))}
            case.body = form
        case _:
            pass
