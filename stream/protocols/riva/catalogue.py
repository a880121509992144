"""The answer to `GetRivaSpeechRecognitionConfig`: what is served, a row for each language and kind of call."""

from collections.abc import Iterable

from riva.client.proto import riva_asr_pb2 as pb

from vad import SAMPLE_RATE

MODEL = "niyosha"
_KINDS = ("online", "offline")


def catalogue(message: bytes, languages: Iterable[str]) -> bytes:
    """Write the rows, all of one model; none for a request that names another one."""
    asked = pb.RivaSpeechRecognitionConfigRequest.FromString(message).model_name
    rows = [
        pb.RivaSpeechRecognitionConfigResponse.Config(
            model_name=MODEL,
            parameters={"type": kind, "language_code": language, "sample_rate": str(SAMPLE_RATE), "streaming": "True"},
        )
        for language in languages
        for kind in _KINDS
        if asked in ("", MODEL)
    ]
    return bytes(pb.RivaSpeechRecognitionConfigResponse(model_config=rows).SerializeToString())
