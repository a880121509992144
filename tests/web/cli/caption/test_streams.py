"""Live streams by FFmpeg on loopback: over HTTP as Icecast sends them, and MPEG-TS over UDP."""

import asyncio
import io
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm
from vad import SAMPLE_RATE
from web.cli.caption.streams import LiveStream, StreamError, shown_address

SPEECH = clip_pcm("quick.wav")
ENOUGH_BYTES = len(SPEECH) // 2


@cache
def encoded(container: str, codec: str) -> bytes:
    """The speech in a container for streams."""
    output = io.BytesIO()
    with av.open(output, "w", format=container) as muxer:
        stream = muxer.add_stream(codec, rate=48_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        resampler = av.AudioResampler("s16" if codec == "mp2" else "fltp", "mono", 48_000)
        frame = av.AudioFrame.from_ndarray(np.frombuffer(SPEECH, "<i2").reshape(1, -1), "s16", "mono")
        frame.rate = SAMPLE_RATE
        fifo = av.AudioFifo()
        for resampled in resampler.resample(frame):
            fifo.write(resampled)
        for part in fifo.read_many(stream.codec_context.frame_size or 1152):
            muxer.mux(stream.encode(part))
        muxer.mux(stream.encode(None))
    return output.getvalue()


@asynccontextmanager
async def icecast(bodies: Iterator[bytes]) -> AsyncIterator[str]:
    """A server that sends each client the next body without an end, and then hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-name: test\r\n\r\n" + next(bodies, b""))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/live?key=secret"


@contextmanager
def mpeg_ts() -> Iterator[str]:
    """Somebody who sends MPEG-TS over UDP again and again."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    packets, is_over = encoded("mpegts", "mp2"), threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not is_over.is_set():
                for start in range(0, len(packets), 7 * 188):
                    sender.sendto(packets[start : start + 7 * 188], ("127.0.0.1", port))
                    if is_over.wait(0.001):
                        return

    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield f"udp://127.0.0.1:{port}"
    finally:
        is_over.set()
        sending.join()


async def heard(address: str, least_bytes: int, reports: list[str]) -> bytes:
    """At least so much of the sound of a stream."""
    pcm = b""
    async with asyncio.timeout(STUCK_SECONDS), aclosing(LiveStream(address, reports.append).chunks()) as chunks:
        async for chunk in chunks:
            pcm += chunk
            if len(pcm) >= least_bytes:
                return pcm
    return pcm


def is_like(pcm: bytes) -> bool:
    """Whether the sound is that of the speech, wherever it begins: by its loudness in tenths of a second."""

    def loudness(samples: bytes) -> npt.NDArray[np.float64]:
        whole = np.frombuffer(samples, "<i2").astype(float)
        tenths: npt.NDArray[np.float64] = np.abs(whole[: len(whole) // 1600 * 1600]).reshape(-1, 1600).mean(axis=1)
        return tenths

    one, other = loudness(pcm), loudness(SPEECH)
    length = min(len(one), len(other)) - 4
    fits = [float(np.corrcoef(one[at : at + length], other[:length])[0, 1]) for at in range(4)]
    return max(fits) > 0.9


async def test_a_stream_over_http_is_heard_and_opened_again_when_it_breaks_off() -> None:
    body, reports = encoded("mp3", "libmp3lame"), list[str]()
    async with icecast(iter([body, body])) as address:
        pcm = await heard(address, len(SPEECH) + ENOUGH_BYTES, reports)
    assert is_like(pcm)
    name = shown_address(address)
    broken, back = reports
    assert broken.startswith(f"{name} gives no sound (")
    assert back == f"{name} is back"
    # The address may have a key.
    assert "secret" not in str(reports)


async def test_mpeg_ts_over_udp_is_heard() -> None:
    reports = list[str]()
    with mpeg_ts() as address:
        pcm = await heard(address, ENOUGH_BYTES, reports)
    assert len(pcm) >= ENOUGH_BYTES
    assert reports == []


async def test_what_is_no_stream_is_a_sentence() -> None:
    async with icecast(iter([b"<html>" * 2000] * 3)) as address:
        with pytest.raises(StreamError, match=r"http://127.0.0.1:\d+ cannot be read \(invalid data"):
            await heard(address, 1, [])
    with pytest.raises(StreamError, match="no SRT; pipe it"):
        await heard("srt://127.0.0.1:1", 1, [])
    with pytest.raises(StreamError, match="cannot be read"):
        await heard("bogus://127.0.0.1", 1, [])


async def test_a_playlist_cannot_name_files_of_this_machine(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp3"
    secret.write_bytes(encoded("mp3", "libmp3lame"))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{secret.as_uri()}\n#EXT-X-ENDLIST\n".encode()
    async with icecast(iter([playlist] * 10)) as address:
        hearing = asyncio.Event()
        stream = LiveStream(address.replace("/live?key=secret", "/live.m3u8"), lambda _: hearing.set())
        async with aclosing(stream.chunks()) as chunks:
            coming = asyncio.ensure_future(anext(chunks))
            refused = asyncio.ensure_future(hearing.wait())
            await asyncio.wait({coming, refused}, timeout=STUCK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            assert not coming.done() or isinstance(coming.exception(), StreamError)
            coming.cancel()
            refused.cancel()
            await asyncio.gather(coming, refused, return_exceptions=True)


def test_an_address_is_shown_without_what_is_secret() -> None:
    assert shown_address("rtmp://user:pass@live.example:1935/app/key?token=a") == "rtmp://live.example:1935"
