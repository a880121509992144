"""Recordings for tests of the routes, and the bodies that carry them."""

import base64
import io
import wave

from tests.sounds import clip_pcm

QUICK_AND_TRAIN = clip_pcm("quick.wav") + bytes(32_000) + clip_pcm("train.wav")


def wav(pcm: bytes, rate: int = 16_000, channels: int = 1) -> bytes:
    """A WAV file of `int16[n_samples]`."""
    out = io.BytesIO()
    with wave.open(out, "wb") as clip:
        clip.setparams((channels, 2, rate, 0, "NONE", ""))
        clip.writeframes(pcm)
    return out.getvalue()


def asked(audio: bytes, **config: object) -> dict[str, object]:
    """The JSON body of a short recognition."""
    return {"config": config, "audio": {"data": base64.b64encode(audio).decode()}}
