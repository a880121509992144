"""PortAudio's Python library as far as the product uses it, with a microphone that hears a clip and then silence.

The clip is the WAV file in the variable FAKE_MICROPHONE, at 16 kHz. It is heard at once, what follows at its own speed.
Without the variable there is no microphone.
"""

import os
import threading
import wave
from collections.abc import Callable
from typing import Any, Self

_VARIABLE = "FAKE_MICROPHONE"


class PortAudioError(Exception):
    """An error of the library."""


def _devices() -> list[dict[str, Any]]:
    if _VARIABLE not in os.environ:
        return []
    quiet = {"name": "Loudspeaker", "index": 0, "max_input_channels": 0, "default_samplerate": 44_100.0}
    other = {"name": "Line in", "index": 1, "max_input_channels": 2, "default_samplerate": 44_100.0}
    return [quiet, other, {"name": "Fake Mic", "index": 2, "max_input_channels": 1, "default_samplerate": 16_000.0}]


def query_devices(device: int | str | None = None, kind: str | None = None) -> Any:
    found = _devices()
    if device is None and kind is None:
        return found
    if device is None:
        if not found:
            raise PortAudioError("Error querying device -1")
        return found[-1]
    chosen = [one for one in found if device == one["index"] or str(device).lower() in one["name"].lower()]
    if not chosen:
        raise ValueError(f"No input device matching {device!r}")
    return chosen[0]


def check_input_settings(*, device: int, channels: int, dtype: str, samplerate: int) -> None:
    del channels, dtype
    if samplerate != query_devices(device)["default_samplerate"]:
        raise PortAudioError("Invalid sample rate")


class RawInputStream:
    """A stream whose thread calls back for each block, as PortAudio's does."""

    def __init__(
        self,
        *,
        samplerate: int,
        blocksize: int,
        channels: int,
        dtype: str,
        callback: Callable[[bytes, int, object, object], None],
        device: int | None = None,
        finished_callback: Callable[[], None] = lambda: None,
    ) -> None:
        del channels, dtype
        if query_devices(device, "input")["name"] != "Fake Mic":
            raise PortAudioError("Device unavailable")
        self._block_bytes = blocksize * 2
        self._block_seconds = blocksize / samplerate
        self._frames = blocksize
        self._callback = callback
        self._finished = finished_callback
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join()

    def _run(self) -> None:
        with wave.open(os.environ[_VARIABLE]) as clip:
            pcm = clip.readframes(clip.getnframes()) + bytes(32_000)
        for start in range(0, len(pcm), self._block_bytes):
            self._give(pcm[start : start + self._block_bytes])
        while not self._is_closed.wait(self._block_seconds):
            self._give(bytes(self._block_bytes))
        self._finished()

    def _give(self, block: bytes) -> None:
        self._callback(block, self._frames, None, None)
