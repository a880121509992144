"""The examples in the OpenAPI document; tests compare them with the server's responses."""

from stream.errors import Problem
from web.reference.configuration import Schema

_ID = "cdc2cd06-1033-46e8-af69-21fc5a5a12dc"
_MODEL_ID = "205271fc-a409-44f3-8cfb-b6ef7a1e34e3"
_NAMES = ("startTime", "endTime", "word", "confidence")
_WORDS = (
    (0.21, 0.31, "The", 0.649),
    (0.31, 0.55, "quick", 0.888),
    (0.55, 0.91, "brown", 0.747),
    (0.91, 1.23, "fox", 0.913),
    (1.23, 1.59, "jumps", 0.713),
    (1.59, 1.95, "over", 0.929),
    (1.95, 2.17, "the", 0.926),
    (2.17, 2.43, "lazy", 0.926),
    (2.43, 2.81, "dog.", 0.873),
)
_HYPOTHESIS = {
    "transcript": "The quick brown fox jumps over the lazy dog.",
    "confidence": 0.844,
    "words": [dict(zip(_NAMES, word, strict=True)) for word in _WORDS],
}

# What `tests/clips/quick.wav` gets.
QUICK = {
    "transcriptionId": _ID,
    "duration": 2.965,
    "inferenceTime": 0.294,
    "status": "done",
    "results": [_HYPOTHESIS],
}
RECOGNIZED = [{"alternatives": [_HYPOTHESIS]}]
PROMISED = {
    "transcriptionId": _ID,
    "duration": 0.0,
    "inferenceTime": 0.0,
    "status": "queued",
    "results": [{"transcript": "", "confidence": 0.0, "words": []}],
}
TRANSCRIPTIONS = {
    "transcriptions": [
        {
            "transcriptionId": _ID,
            "duration": 2.965,
            "inferenceTime": 0.294,
            "status": "done",
            "kind": "short",
            "createdAt": "2026-11-22T06:45:23.294Z",
            "error": None,
        }
    ],
    "next": None,
}
LANGUAGE_MODEL = {"languageModelId": _MODEL_ID, "name": "boats", "status": "trained"}
LANGUAGES = {"languages": ["en-US"]}
KEYS_OF_SERVER = {
    "keys": {"hangoverMs": {"type": "integer", "minimum": 100, "maximum": 5000, "default": 600}},
    "models": {"video": {"hangoverMs": 800, "vadAggressiveness": 3}},
}
HEALTHY = {"status": "Running", "message": "OK.", "version": "1.0.7"}
REQUESTS: dict[str, dict[str, Schema]] = {
    "short": {
        "silence": {
            "summary": "two milliseconds of silence as a telephone has it",
            "value": {
                "config": {"audioEncoding": "MULAW", "sampleRateHertz": 8000, "languageCode": "en"},
                "audio": {"data": "/////////////////////w=="},
            },
        }
    },
    "long": {
        "uri": {
            "summary": "fetched by the server",
            "value": {"config": {"languageCode": "en"}, "audio": {"uri": "https://media.example/talk.flac"}},
        },
        "upload": {
            "summary": "uploaded afterwards",
            "value": {"config": {"languageCode": "en"}, "audio": {"upload": True}},
        },
    },
    "model": {
        "boats": {"summary": "two phrases", "value": {"name": "boats", "corpora": ["the harbour master", "Gothenburg"]}}
    },
    "token": {
        "page": {
            "summary": "for a page, as long as a day's work",
            "value": {"oneUse": False, "seconds": 28_800, "scope": "tokens live recordings"},
        }
    },
}
TRADED = {"token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl", "expiresAt": "2026-01-05T09:31:00.000Z"}
# A sentence for each problem that can be met over HTTP.
DETAILS = {
    Problem.INVALID_MESSAGE: "the body is not valid JSON",
    Problem.INVALID_AUDIO: "the audio is empty",
    Problem.INVALID_CONFIG: "sampleRateHertz is 4000; it must be between 8000 and 48000",
    Problem.UNSUPPORTED_MEDIA: "the audio is ZIP; send a recording with sound, or bare samples",
    Problem.UNAUTHENTICATED: "the token has expired; get a new one",
    Problem.FORBIDDEN: 'Origin is "https://elsewhere.example"; pages of other hosts may not connect',
    Problem.NOT_FOUND: "there is no transcription with this id, or not any more",
    Problem.METHOD_NOT_ALLOWED: "PATCH /v1/speech/asr is not served here",
    Problem.IDLE_TIMEOUT: "its audio was not uploaded within 3600 seconds",
    Problem.TOO_LARGE: "the body is too large; at most 16777216 bytes are taken",
    Problem.RATE_LIMITED: "20 recordings of yours are in work; wait for one to end",
    Problem.UPGRADE_REQUIRED: "this address speaks WebSocket only",
    Problem.RECOGNIZER_FAILED: "the recognizer failed on a part of the audio; try again later",
    Problem.INTERNAL: "the request failed through a fault of the server",
    Problem.OVERLOADED: "the recognizer is not ready; come again in a few seconds",
    Problem.SHUTTING_DOWN: "the server is stopping; connect again in a few seconds",
}
