"""The recognition call of OVH's AI Endpoints: a file in a form, a list of results."""

from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.protocols.farsava.messages import WireResult
from stream.protocols.farsava.results import results
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.limits.limits import Limits
from web.memory.budget import BodyBudgets
from web.rest.recordings import RecordingAdmission, Transcriber
from web.rest.request.audio import file_audio
from web.rest.request.body import JSON_TYPE, Body, parse_object, read_form

_MOST_SECONDS = 601.0
# Ten minutes of 48 kHz stereo.
_MOST_BYTES = 112 << 20


class OvhResult(msgspec.Struct, frozen=True):
    """One utterance: its hypotheses, best first."""

    alternatives: list[WireResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class OvhRoutes:
    """The recognition call of OVH's AI Endpoints."""

    auth: Authenticator
    limits: Limits
    admission: RecordingAdmission
    transcriber: Transcriber
    bodies: BodyBudgets

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
        recognized = [OvhResult(results(settled.hypothesis.alternatives)) for settled in finished.settled]
        return Response(msgspec.json.encode(recognized), media_type=JSON_TYPE)
