"""Owns the recognition call of OVH's AI Endpoints: a file in a form, a list of results out."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.protocols.farsava.messages import WireResult
from stream.protocols.farsava.results import results
from web.auth.caller import Scope
from web.composition import Services
from web.rest.recognize import check_ready, configured, transcribe
from web.rest.request.audio import file_audio
from web.rest.request.body import JSON_TYPE, Body, parse_object, read_form

_MOST_SECONDS = 601.0
# Ten minutes of 48 kHz stereo.
_MOST_BYTES = 112 << 20


class OvhResult(msgspec.Struct, frozen=True):
    """One utterance: its hypotheses, best first."""

    alternatives: list[WireResult]


async def recognize(request: Request) -> Response:
    """Answer 200 with one result for each utterance of the form's file `audio`, none if nothing was said."""
    services: Services = request.app.state.services
    caller = await services.auth.caller(request, Scope.RECORDINGS)
    check_ready(services)
    await services.limits.check_minutes(caller)
    async with read_form(Body(request), _MOST_BYTES, services.bodies, caller.owner) as form:
        values = parse_object(form.texts.get("config", "{}"), "config")
        if "language" in request.path_params:
            in_path = {"languageCode": request.path_params["language"]}
            # Checked by itself, too: what stands in `config` goes before it.
            services.settings.session_config.with_message(in_path, audio_began=False)
            values = in_path | values
        audio = file_audio(form)
        config = await configured(services, caller, values)
        finished = await transcribe(services, caller, config, audio, _MOST_SECONDS)
    told = [OvhResult(results(settled.hypothesis.alternatives)) for settled in finished.settled]
    return Response(msgspec.json.encode(told), media_type=JSON_TYPE)
