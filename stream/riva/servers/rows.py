"""Read the rows in which a server lists its models; pure.

A row is a map of texts. Real servers write `type` ("online", "offline"), or `streaming` and `offline` as "true", "True"
or "1"; `language_code` may be a list with commas.
"""

from collections.abc import Iterable, Mapping

from riva.client.proto import riva_asr_pb2 as pb

ONLINE, OFFLINE = "online", "offline"
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
# What a model that streams calls itself.
_ONLINE_TYPES = frozenset({ONLINE, "streaming"})

Parameters = Mapping[str, str]


def mode(parameters: Parameters) -> str:
    """Return `online` for a model that recognizes while people talk, or that does not tell; else its type."""
    kind = _text(parameters, "type")
    if kind:
        return ONLINE if kind in _ONLINE_TYPES else kind
    streams, is_offline = _boolean(parameters, "streaming"), _boolean(parameters, "offline")
    if streams is None:
        return OFFLINE if is_offline else ONLINE
    return ONLINE if streams else OFFLINE


def languages(parameters: Parameters) -> tuple[str, ...]:
    """Return the language tags of a row, each once."""
    tags = (tag.strip() for tag in parameters.get("language_code", "").split(","))
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def online_languages(rows: Iterable[pb.RivaSpeechRecognitionConfigResponse.Config]) -> tuple[str, ...]:
    """Return the language tags that streaming models serve, each once, in the server's order."""
    online = (row.parameters for row in rows if mode(row.parameters) == ONLINE)
    return tuple(dict.fromkeys(tag for parameters in online for tag in languages(parameters)))


def has_ability(rows: Iterable[pb.RivaSpeechRecognitionConfigResponse.Config], parameter: str) -> bool:
    """Whether a model claims an ability such as `closed_vocabulary` or `stable_words`."""
    return any(_boolean(row.parameters, parameter) for row in rows)


def _text(parameters: Parameters, name: str) -> str:
    return parameters.get(name, "").strip().lower()


def _boolean(parameters: Parameters, name: str) -> bool | None:
    """What a parameter says, None for nothing that can be read."""
    text = _text(parameters, name)
    return True if text in _TRUE else False if text in _FALSE else None
