"""What the OpenAPI document says of transcriptions as answers: parameters, headers, links, examples."""

from stream.protocols.farsava.messages import Done
from web.rest.response.transcription import ExtendedTranscription
from web.routes.operations import Header, Link
from web.routes.schemas import in_path

TRANSCRIPTION = Done | ExtendedTranscription
"""The body of a transcription."""
TRANSCRIPTION_ID = in_path("transcription_id", "the id of a transcription", {"type": "string", "format": "uuid"})
LOCATION = Header("the address of the transcription", {"type": "string", "format": "uri-reference"})
TO_TRANSCRIPTION = {"transcription": Link("getTranscription", "transcription_id", "transcriptionId")}

EXAMPLE_ID = "cdc2cd06-1033-46e8-af69-21fc5a5a12dc"
_FIELDS = ("startTime", "endTime", "word", "confidence")
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
HYPOTHESIS = {
    "transcript": "The quick brown fox jumps over the lazy dog.",
    "confidence": 0.844,
    "words": [dict(zip(_FIELDS, word, strict=True)) for word in _WORDS],
}
# What the embedded engine recognizes in `tests/clips/quick.wav`.
DONE = {
    "transcriptionId": EXAMPLE_ID,
    "duration": 2.965,
    "inferenceTime": 0.294,
    "status": "done",
    "results": [HYPOTHESIS],
}
QUEUED = {
    "transcriptionId": EXAMPLE_ID,
    "duration": 0.0,
    "inferenceTime": 0.0,
    "status": "queued",
    "results": [{"transcript": "", "confidence": 0.0, "words": []}],
}
