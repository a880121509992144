"""Fields that several answers have, with what the OpenAPI document says of them."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from stream.errors import Problem
from web.store.tables import Kind, Status

PROGRESS = "`queued`, `processing` until the first text is settled, `partial` until the last one is, `done`"
NOT_FAILED = [status.value for status in Status if status is not Status.FAILED]
ID_SCHEMA = {"format": "uuid"}

TranscriptionId = Annotated[
    str,
    Meta(
        description="names the transcription in `/v1/speech/transcriptions/{transcription_id}`",
        extra_json_schema=ID_SCHEMA,
    ),
]
Timestamp = Annotated[str, Meta(description="RFC 3339, in UTC", extra_json_schema={"format": "date-time"})]
Seconds = Annotated[int | float, Meta(description="seconds of audio received")]
InferenceSeconds = Annotated[int | float, Meta(description="seconds spent waiting on the recognizer")]
KindField = Annotated[
    str,
    Meta(description="a live connection, a short recording, a long one", extra_json_schema={"enum": list(Kind)}),
]
SettledStatus = Annotated[str, Meta(description=PROGRESS, extra_json_schema={"enum": NOT_FAILED})]
AnyStatus = Annotated[
    str, Meta(description=f"{PROGRESS}, or `failed`", extra_json_schema={"enum": [status.value for status in Status]})
]
ErrorKind = Annotated[
    str | None,
    Meta(
        description="the kind of error of a recording that failed, else null",
        extra_json_schema={"enum": [*(problem.value.type for problem in Problem), None]},
    ),
]


def timestamp(epoch_seconds: float) -> str:
    """A point in time as RFC 3339 has it."""
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
