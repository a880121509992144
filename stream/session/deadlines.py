"""The deadlines of one connection: pauses, silence, its longest duration; pure arithmetic on the caller's clock."""

import math
from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerLimits:
    """Every wait of a session and its longest audio, in seconds.

    `pause`: silence of the sender that ends an open utterance; `idle`: silence that ends the session; `stream`: the
    longest session, with a warning `notice` before its end; `final`: how long a final may take after the last audio of
    its utterance; `stall`: how long the recognizer may owe a response to speech before a new attempt is made; `audio`:
    the longest audio that is taken.
    """

    pause_seconds: float = 3.0
    idle_seconds: float = 30.0
    stream_seconds: float = 240 * 60.0
    notice_seconds: float = 60.0
    final_seconds: float = 20.0
    stall_seconds: float = 5.0
    audio_seconds: float = math.inf


class Deadline(Enum):
    """What passed: a pause inside an utterance, the notice before the end, the longest session, silence."""

    PAUSE = auto()
    NOTICE = auto()
    STREAM = auto()
    IDLE = auto()


class Deadlines:
    """The deadlines of one connection; times are seconds on the caller's clock."""

    def __init__(self, limits: RunnerLimits, now: float) -> None:
        self._limits = limits
        self._end = now + limits.stream_seconds
        self._notice: float | None = (
            self._end - limits.notice_seconds if limits.stream_seconds > limits.notice_seconds else None
        )
        self._received = self._audio = now

    def received(self, now: float, *, is_audio: bool) -> None:
        """Note a message: only audio keeps an utterance open, every message keeps the connection."""
        self._received = now
        if is_audio:
            self._audio = now

    def next(self, *, in_utterance: bool) -> float:
        """Return when the next deadline passes."""
        return min(self._all(in_utterance).values())

    def passed(self, now: float, *, in_utterance: bool) -> Deadline | None:
        """The earliest deadline that has passed, None if none has; a notice is given once."""
        deadline, due = min(self._all(in_utterance).items(), key=lambda item: item[1])
        if due > now:
            return None
        if deadline is Deadline.NOTICE:
            self._notice = None
        return deadline

    def _all(self, in_utterance: bool) -> dict[Deadline, float]:
        due = {Deadline.STREAM: self._end, Deadline.IDLE: self._received + self._limits.idle_seconds}
        if in_utterance:
            due[Deadline.PAUSE] = self._audio + self._limits.pause_seconds
        if self._notice is not None:
            due[Deadline.NOTICE] = self._notice
        return due
