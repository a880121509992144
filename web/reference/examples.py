"""Examples of refusals in the OpenAPI document, made by what refuses."""

from collections.abc import Callable

from stream.audio.containers.declaration import check_kind
from stream.audio.containers.signatures import kind_of_signature
from stream.audio.format import AudioFormat
from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from web.auth.claims import EXPIRED
from web.auth.origins import foreign_origin
from web.errors import fault, not_served
from web.jobs.cleanup import UPLOAD_SECONDS
from web.jobs.steps import EMPTY_AUDIO
from web.live.endpoint import upgrade_required
from web.live.registry import stopping
from web.rest.recognize import RECOGNIZE
from web.rest.recordings import not_ready, partly_failed
from web.rest.request.audio import MOST_JSON_BYTES
from web.rest.request.body import invalid_json, too_large
from web.rest.transcriptions import unknown_transcription
from web.store.channels import name_taken
from web.store.recordings import not_uploaded, too_many

_ZIP = b"PK\x03\x04"


def _raised(check: Callable[[], object]) -> ClientError:
    try:
        check()
    except ClientError as error:
        return error
    raise AssertionError("an example of a refusal is taken")


def _refuse_zip() -> None:
    kind = kind_of_signature(_ZIP)
    if kind is not None:
        check_kind(kind, _ZIP, AudioFormat(is_recording=True))


# One for each problem that can be met over HTTP.
EXAMPLES = {
    error.problem: error
    for error in (
        invalid_json("the body"),
        ClientError(Problem.INVALID_AUDIO, EMPTY_AUDIO),
        _raised(lambda: SessionConfig().with_message({"sampleRateHertz": 4000}, audio_began=False)),
        _raised(_refuse_zip),
        ClientError(Problem.UNAUTHENTICATED, EXPIRED),
        foreign_origin("https://elsewhere.example"),
        unknown_transcription(),
        not_served(Problem.METHOD_NOT_ALLOWED, "PATCH", RECOGNIZE.path),
        name_taken("main-stage"),
        not_uploaded(UPLOAD_SECONDS),
        too_large(MOST_JSON_BYTES),
        too_many(20),
        upgrade_required(),
        partly_failed(),
        fault("6f1c2d9e0b7a4c35a8d2f4e61b903c7d"),
        not_ready(),
        stopping(),
    )
}
