"""Whatever a form holds, the server answers in OpenAI's shape, and goes on."""

import random
from typing import Any

import httpx
import pytest

from tests.support.sounds import clip_pcm, wav
from tests.support.tiers import tiered

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

PATH = "/v1/audio/transcriptions"
CLIP = wav(clip_pcm("yes.wav"))
SEEDS = tiered(range(3), range(60))
REQUESTS = 40
STATUSES = {200, 400, 408, 413, 415}
FIELDS = {
    "language": ("en", "English", "fr", "\0", ""),
    "languages[]": ("en", "fr", "x" * 40),
    "prompt": ("a, b, c", "x" * 5000, "💥" * 50, "کلمه، نام", "\r\n\r\n"),
    "keywords[]": ("yes", " ", "\0"),
    "response_format": ("json", "text", "srt", "vtt", "verbose_json", "JSON", '{"type":'),
    "temperature": ("0", "0.5", "nan", "1e999", "-1"),
    "stream": ("true", "false", "True", "2"),
    "timestamp_granularities[]": ("word", "segment", "char"),
    "include[]": ("logprobs", "logprobs ", "x"),
    "known_speaker_names[]": ("ann",),
}
UNKNOWN = ("x", "", "\0", "[", "é", "chunking_strategy", "chunking_strategy[type]", "file")
FILES = (
    *(CLIP[:30], CLIP[:-1], b"", b"\0" * 70_000, b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"fLaC", b"\xff\xfb" * 900),
    b"<html>",
)


class Hostile:
    """Makes up requests; the same seed makes up the same."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311

    def body(self) -> tuple[str, bytes]:
        """The content type and the bytes of a form, which may be broken."""
        names = self.dice.sample(list(FIELDS), self.dice.choice([0, 1, 1, 2, 3]))
        parts = [self._text(name, self.dice.choice(FIELDS[name])) for name in names]
        parts += [self._text(self.dice.choice(UNKNOWN), "x")] * self.dice.choice([0, 0, 1])
        parts += [self._text("model", "whisper-1")] * self.dice.choice([0, 1, 1, 1, 1])
        file = CLIP if self.dice.random() < 0.7 else self.dice.choice(FILES)
        parts += [self._file(file)] * self.dice.choice([0, 1, 1, 1, 1, 1, 2])
        self.dice.shuffle(parts)
        body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
        if self.dice.random() < 0.2:
            at = self.dice.randrange(len(body))
            body = self.dice.choice([body[:at], body[:at] + self.dice.randbytes(3) + body[at:], body[at:]])
        kind = self.dice.choice(["multipart/form-data; boundary=b"] * 9 + ["multipart/form-data"])
        return kind, body

    def _text(self, name: str, text: str) -> bytes:
        return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode()

    def _file(self, data: bytes) -> bytes:
        head = b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        return head + data


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_answer_has_openais_shape(client: httpx.AsyncClient, seed: int) -> None:
    hostile, statuses = Hostile(seed), set()
    for _ in range(REQUESTS):
        kind, body = hostile.body()
        answer = await client.post(PATH, content=body, headers={"Content-Type": kind})
        statuses.add(answer.status_code)
        assert answer.status_code in STATUSES, answer.text
        if answer.status_code != 200:
            found: Any = answer.json()["error"]
            assert list(found) == ["message", "type", "param", "code"]
            assert found["message"]
    assert {200, 400} <= statuses
    usual = await client.post(PATH, files={"file": CLIP}, data={"model": "whisper-1"})
    assert usual.json()["text"].startswith("w0")
