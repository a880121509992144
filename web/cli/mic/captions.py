"""What `niyosha mic` shows: settled lines, the unsettled text, the language, and the level of the sound."""

import math

import numpy as np

from stream.client import Message
from stream.protocols.farsava.messages import (
    EndOfTurnMessage,
    FinalMessage,
    PartialMessage,
    ReadyMessage,
    SpeechMessage,
    WarningMessage,
)
from vad import SAMPLE_BYTES
from web.cli.console import printable

# Speech at a usual distance is at -40 to -20 dB; a muted microphone gives zeros, or the noise of its converter.
_QUIETEST_DB, _LOUDEST_DB = -60.0, 0.0
_CELLS = 12
# Longer than a pause for thought, shorter than the patience of somebody who talks to a muted microphone.
_SILENT_SECONDS = 5.0
MICROPHONE_ADVICE = "is it muted? `niyosha mic --devices` lists others"
"""What to do about a microphone that is silent."""


class Captions:
    """The state of the captions; it changes with each message of the server and each chunk of sound."""

    def __init__(self, device_name: str, rate_hertz: int, *, advice: str = MICROPHONE_ADVICE) -> None:
        """`advice` is what to do about silence."""
        self.language = ""
        self._advice = advice
        self._device_name = printable(device_name)
        self._rate_hertz = rate_hertz
        self._level_db = _QUIETEST_DB
        self._silent_seconds = 0.0
        self._unsettled: dict[int, str] = {}
        self._notice = ""

    @property
    def unsettled(self) -> str:
        """The text that may still change, of all utterances that are open."""
        return printable(" ".join(text for _, text in sorted(self._unsettled.items()) if text))

    @property
    def status(self) -> str:
        """The line below the text: language and level, and what is wrong with the sound."""
        return " ".join(filter(None, (self.language, level_bar(self._level_db), self._remark)))

    @property
    def _remark(self) -> str:
        if self._silent_seconds >= _SILENT_SECONDS:
            return f"no sound from {self._device_name}: {self._advice}"
        return self._notice or f"listening to {self._device_name}; Ctrl-C ends"

    def receive(self, message: Message) -> str | None:
        """Take a message of extended mode; return a line that has settled, None for all else."""
        match message:
            case ReadyMessage(config={"languageCode": str(language)}):
                self.language = printable(language)
            case PartialMessage(results=[best, *_]):
                self._unsettled[message.utterance_id] = best.transcript
                self._notice = ""
            case FinalMessage():
                self._unsettled.pop(message.utterance_id, None)
                line = message.results[0].transcript if message.results else ""
                return printable(line) or None
            case WarningMessage():
                self._notice = printable(message.detail)
            case SpeechMessage() | EndOfTurnMessage():
                pass
        return None

    def hear(self, chunk: bytes) -> None:
        """Take `int16[n_samples]` of the microphone."""
        self._level_db = level_db(chunk)
        seconds = len(chunk) / SAMPLE_BYTES / self._rate_hertz
        self._silent_seconds = self._silent_seconds + seconds if self._level_db <= _QUIETEST_DB else 0.0

    def forget(self) -> None:
        """Drop the unsettled text, whose utterances will not settle any more."""
        self._unsettled.clear()

    def lose(self, seconds: float) -> None:
        """Note that so much sound was lost, because the server did not take it in time."""
        self._notice = f"{seconds:.1f} s of sound were lost: the server is too slow"


def level_db(chunk: bytes) -> float:
    """Return the level of `int16[n_samples]` in decibels of full scale, from -60 for silence to 0."""
    samples = np.frombuffer(chunk, "<i2").astype(np.float64)
    power = float(np.mean(samples**2)) if len(samples) else 0.0
    decibels = 10 * math.log10(power / 2**30) if power else _QUIETEST_DB
    return min(max(decibels, _QUIETEST_DB), _LOUDEST_DB)


def level_bar(decibels: float) -> str:
    """Return a bar of a fixed width for a level."""
    full = round((decibels - _QUIETEST_DB) / (_LOUDEST_DB - _QUIETEST_DB) * _CELLS)
    return "█" * full + "░" * (_CELLS - full)
