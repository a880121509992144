"""A microphone of this machine as a stream of PCM16, by PortAudio."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from stream.audio.layout import MAXIMUM_HERTZ, MINIMUM_HERTZ
from stream.extras import MIC
from vad import SAMPLE_RATE

_BLOCKS_PER_SECOND = 10
# A server that starts or is slow for so long loses no sound.
_MOST_BLOCKS = 30 * _BLOCKS_PER_SECOND


class MicrophoneError(Exception):
    """There is no sound from the microphone; `str()` is the reason and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A microphone, and the rate at which it gives samples."""

    index: int
    name: str
    rate_hertz: int


class Microphone:
    """A microphone that is open; `lost_seconds` is the sound that nobody took in time."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.lost_seconds = 0.0
        self.is_stopped = False
        self._blocks: deque[bytes] = deque()
        self._has_news = asyncio.Event()
        self._failure: MicrophoneError | None = None

    def stop(self) -> None:
        """End the sound; what was heard until now is still given."""
        self.is_stopped = True
        self._has_news.set()

    def receive(self, block: bytes) -> None:
        """Take `int16[rate_hertz / 10]` of the microphone; the oldest is dropped where too much waits."""
        if self.is_stopped:
            return
        if len(self._blocks) == _MOST_BLOCKS:
            self._blocks.popleft()
            self.lost_seconds += 1 / _BLOCKS_PER_SECOND
        self._blocks.append(block)
        self._has_news.set()

    def fail(self) -> None:
        """Note that the microphone gives no more sound, which is no failure once it was stopped."""
        if not self.is_stopped:
            self._failure = MicrophoneError(f"{self.device.name} gives no more sound; is it still plugged in?")
        self._has_news.set()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield `int16[n_samples]` little-endian at the rate of the device until it is stopped.

        Raises MicrophoneError.
        """
        while True:
            while self._blocks:
                yield self._blocks.popleft()
            if self.is_stopped:
                return
            if self._failure is not None:
                raise self._failure
            self._has_news.clear()
            await self._has_news.wait()


def devices() -> list[str]:
    """Return the names of all microphones, the usual one first; raises MicrophoneError."""
    library = _library()
    found = [device for device in library.query_devices() if device["max_input_channels"]]
    usual = _usual_index(library)
    return [device["name"] for device in sorted(found, key=lambda device: device["index"] != usual)]


def find_device(name: str | None) -> Device:
    """Return the microphone with this in its name, by default the usual one; raises MicrophoneError."""
    library = _library()
    if name is None and _usual_index(library) is None:
        raise MicrophoneError("no microphone was found; plug one in, or allow this terminal to use it")
    try:
        found = library.query_devices(_usual_index(library) if name is None else name, "input")
    except (ValueError, library.PortAudioError):
        known = ", ".join(devices()) or "none"
        raise MicrophoneError(f"no microphone has {name!r} in its name; known are: {known}") from None
    return Device(index=found["index"], name=found["name"], rate_hertz=_rate_hertz(library, found))


@asynccontextmanager
async def opened(device: Device) -> AsyncIterator[Microphone]:
    """Listen to a microphone while the context lasts; raises MicrophoneError."""
    library, loop = _library(), asyncio.get_running_loop()
    microphone = Microphone(device)

    def received(block: Any, *_: object) -> None:
        # PortAudio's thread, which outlives a loop that was closed by force.
        if not loop.is_closed():
            loop.call_soon_threadsafe(microphone.receive, bytes(block))

    def ended() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(microphone.fail)

    try:
        stream = library.RawInputStream(
            samplerate=device.rate_hertz,
            blocksize=device.rate_hertz // _BLOCKS_PER_SECOND,
            device=device.index,
            channels=1,
            dtype="int16",
            callback=received,
            finished_callback=ended,
        )
        stream.start()
    except library.PortAudioError as failed:
        raise MicrophoneError(f"{device.name} cannot be opened ({failed}); is another program using it?") from failed
    try:
        yield microphone
    finally:
        microphone.stop()
        await asyncio.to_thread(stream.close)


def _usual_index(library: ModuleType) -> int | None:
    try:
        index: int = library.query_devices(None, "input")["index"]
    except library.PortAudioError:
        return None
    return index


def _rate_hertz(library: ModuleType, found: Any) -> int:
    """Return 16 kHz if the device has it, else a rate that servers take."""
    try:
        library.check_input_settings(device=found["index"], channels=1, dtype="int16", samplerate=SAMPLE_RATE)
    except library.PortAudioError:
        return min(max(int(found["default_samplerate"]), MINIMUM_HERTZ), MAXIMUM_HERTZ)
    return SAMPLE_RATE


def _library() -> ModuleType:
    if MIC.missing:
        raise MicrophoneError(MIC.missing)
    try:
        import sounddevice  # noqa: PLC0415  loads PortAudio
    except OSError:
        raise MicrophoneError(
            "the microphone needs PortAudio, which is not installed; install it (in Debian and Ubuntu it is the "
            "package libportaudio2)"
        ) from None
    library: ModuleType = sounddevice
    return library
