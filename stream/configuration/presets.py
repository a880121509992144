"""The presets of `asrModel`: what a session uses where its client sets nothing, `default` above all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """What an `asrModel` sets where the client does not; `meaning` is for people."""

    hangover_ms: int
    vad_aggressiveness: int
    meaning: str


PRESETS = {
    "default": Preset(600, 3, "good sound, sentences of any length"),
    "video": Preset(800, 3, "several speakers, thoughtful pauses"),
    "command_and_search": Preset(300, 3, "short phrases that want a quick answer"),
    "phone_call": Preset(600, 2, "narrow, quiet telephone sound: more of it is taken for speech"),
}
