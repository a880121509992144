import asyncio
import sys

import pytest

from tests.support.sounds import clip_pcm
from web.cli.mic.microphone import Device, Microphone, MicrophoneError, devices, find_device, opened

DEVICE = Device(index=0, name="Mic", rate_hertz=16_000)
BLOCK = bytes(3_200)


@pytest.mark.usefixtures("fake_microphone")
def test_the_usual_microphone_is_first_and_loudspeakers_are_none() -> None:
    assert devices() == ["Fake Mic", "Line in"]
    assert find_device(None) == Device(index=2, name="Fake Mic", rate_hertz=16_000)


@pytest.mark.usefixtures("fake_microphone")
def test_a_device_that_has_no_16_khz_is_used_at_its_own_rate() -> None:
    assert find_device("line") == Device(index=1, name="Line in", rate_hertz=44_100)


@pytest.mark.usefixtures("fake_microphone")
def test_a_name_that_no_microphone_has_is_answered_with_those_there_are() -> None:
    with pytest.raises(MicrophoneError) as caught:
        find_device("nope")
    assert str(caught.value) == "no microphone has 'nope' in its name; known are: Fake Mic, Line in"


@pytest.mark.usefixtures("fake_microphone")
def test_a_machine_without_a_microphone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAKE_MICROPHONE")
    with pytest.raises(MicrophoneError, match=r"^no microphone was found; plug one in"):
        find_device(None)
    assert devices() == []


def test_a_machine_without_portaudio_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibrary:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr("stream.extras.find_spec", lambda _: object())
    monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
    with pytest.raises(MicrophoneError, match=r"needs PortAudio, .* package libportaudio2\)$"):
        devices()


@pytest.mark.usefixtures("fake_microphone")
async def test_what_is_heard_is_given_whole_and_in_order() -> None:
    pcm = clip_pcm("quick.wav")
    heard = bytearray()
    async with opened(find_device(None)) as microphone:
        async for chunk in microphone.chunks():
            heard += chunk
            if len(heard) >= len(pcm):
                microphone.stop()
    assert bytes(heard[: len(pcm)]) == pcm


@pytest.mark.usefixtures("fake_microphone")
async def test_a_microphone_that_another_program_has_is_named() -> None:
    with pytest.raises(MicrophoneError) as caught:
        async with opened(find_device("line")):
            pass
    expected = "Line in cannot be opened (Device unavailable); is another program using it?"
    assert str(caught.value) == expected


async def test_only_the_oldest_sound_is_dropped_where_too_much_waits() -> None:
    microphone = Microphone(DEVICE)
    for number in range(302):
        microphone.receive(number.to_bytes(2, "little"))
    microphone.stop()
    microphone.receive(BLOCK)
    given = [int.from_bytes(chunk, "little") async for chunk in microphone.chunks()]
    assert given == list(range(2, 302))
    assert microphone.lost_seconds == pytest.approx(0.2)


async def test_a_microphone_that_is_unplugged_is_named_after_its_last_sound() -> None:
    microphone = Microphone(DEVICE)
    microphone.receive(BLOCK)
    chunks = microphone.chunks()
    assert await anext(chunks) == BLOCK
    waiting = asyncio.ensure_future(anext(chunks))
    microphone.fail()
    with pytest.raises(MicrophoneError, match=r"^Mic gives no more sound; is it still plugged in"):
        await waiting


async def test_a_microphone_that_was_stopped_does_not_fail() -> None:
    microphone = Microphone(DEVICE)
    microphone.stop()
    microphone.fail()
    assert [chunk async for chunk in microphone.chunks()] == []
