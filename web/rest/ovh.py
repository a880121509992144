"""The recognition call of OVH's AI Endpoints: a file in a form, a list of results."""

from dataclasses import dataclass, replace

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import Problem
from stream.protocols.farsava.messages import WireResult
from stream.protocols.farsava.results import results
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.limits.limits import Limits
from web.memory.budget import BodyBudgets
from web.rest.recordings import REQUEST_PROBLEMS, RecordingAdmission, Transcriber
from web.rest.request.audio import file_audio
from web.rest.request.bodies import SHORT_FORM
from web.rest.request.body import MULTIPART_TYPE, Body, parse_object, read_form
from web.rest.response.documented import HYPOTHESIS
from web.routes.configuration import configuration_schema
from web.routes.operations import JSON_TYPE, Answer, Operation, Tag, json_content, route
from web.routes.schemas import in_path

_MOST_SECONDS = 601.0
# Ten minutes of 48 kHz stereo.
_MOST_BYTES = 112 << 20


class Recognized(msgspec.Struct, frozen=True):
    """One utterance: its hypotheses, best first."""

    alternatives: list[WireResult]


RECOGNIZED = [{"alternatives": [HYPOTHESIS]}]
_LANGUAGE = in_path(
    "language",
    "a language tag; OVH's own are `en-gb`, `fr-fr` and the like",
    configuration_schema()["properties"]["languageCode"] | {"examples": ["en-gb"]},
)
RECOGNIZE = Operation(
    method="POST",
    path="/api/v1/asr/recognize",
    id="recognizeAsOvh",
    tag=Tag("OVH", "the speech call of OVH's AI Endpoints"),
    summary="Recognize a recording of up to ten minutes, as OVH's AI Endpoints do",
    description="Nothing is kept. A `config`, which OVH does not have, is taken here, too.",
    body={MULTIPART_TYPE: SHORT_FORM},
    answers={
        200: Answer(
            description="one entry for each utterance, none if nothing was said",
            content=json_content(list[Recognized], RECOGNIZED),
        )
    },
    problems=(*REQUEST_PROBLEMS, Problem.RECOGNIZER_FAILED),
)
RECOGNIZE_LANGUAGE = replace(
    RECOGNIZE,
    path="/api/v1/{language}/asr/recognize",
    id="recognizeLanguageAsOvh",
    summary=f"{RECOGNIZE.summary}, in a language",
    parameters=(_LANGUAGE,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OvhRoutes:
    """The recognition call of OVH's AI Endpoints."""

    auth: Authenticator
    limits: Limits
    admission: RecordingAdmission
    transcriber: Transcriber
    bodies: BodyBudgets

    @route(RECOGNIZE)
    @route(RECOGNIZE_LANGUAGE)
    async def recognize(self, request: Request) -> Response:
        """Answer 200 with one result for each utterance of the form's file `audio`, none without words."""
        caller = await self.auth.caller(request, Scope.RECORDINGS)
        self.admission.check_ready()
        await self.limits.check_minutes(caller)
        async with read_form(Body(request), _MOST_BYTES, self.bodies, caller.owner) as form:
            values = parse_object(form.texts.get("config", "{}"), "config")
            if "language" in request.path_params:
                in_path = {"languageCode": request.path_params["language"]}
                # Checked by itself, as `config` takes precedence.
                self.admission.config.with_message(in_path, audio_began=False)
                values = in_path | values
            audio = file_audio(form)
            config = await self.admission.configured(caller, values)
            finished = await self.transcriber.transcribe(caller, config, audio, _MOST_SECONDS)
        recognized = [Recognized(results(settled.hypothesis.alternatives)) for settled in finished.settled]
        return Response(msgspec.json.encode(recognized), media_type=JSON_TYPE)
