from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import pytest

from stream.protocols.farsava.messages import WireResult
from stream.recordings.subtitles import srt, vtt
from stream.runtime.fairness import FairShare
from stream.session.events import Alternative, Hypothesis, Reason, Settled, Word
from tests.support.tiers import tiered
from web.rest.response.formats import OutputFormat
from web.rest.response.transcription import extended_body, plain_body, transcription_response
from web.store.tables import Kind, Status
from web.store.transcriptions import StoredUtterance, Summary, Transcription, stored

WORDS = (Word("one", 8000, 16000, 0.5, speaker=2), Word("two", 16000, 24000, 0.5))
SETTLED = Settled(1, Hypothesis((Alternative(WORDS, 0.5),)), Reason.ENDPOINT, 32000, 0.4, was_shown=True)


def test_speakers_are_stored_and_told_in_the_extended_body_only() -> None:
    kept = msgspec.json.decode(msgspec.json.encode(stored(SETTLED).alternatives), type=list[WireResult])
    summary = Summary(id="the-id", kind=Kind.LIVE, status=Status.DONE, created_at=0.0)
    transcription = Transcription(
        summary, (StoredUtterance(number=1, channel=0, start=8000, end=32000, alternatives=kept),)
    )
    (full,) = extended_body(transcription).results
    assert [word.speaker for word in full.words] == [2, msgspec.UNSET]
    assert full.alternatives[0].words == full.words
    (plain,) = plain_body(transcription).results
    assert [word.speaker for word in plain.words] == [msgspec.UNSET] * 2
    assert b"speaker" not in msgspec.json.encode(plain_body(transcription))


@pytest.mark.fault(36)
@pytest.mark.virtual_time
@pytest.mark.parametrize("count", [0, 1, 2, 300, *tiered([], [3000])])
@pytest.mark.parametrize("written", list(OutputFormat))
async def test_a_body_is_written_in_steps_and_is_the_same(count: int, written: OutputFormat) -> None:
    word = Word("word", 8000, 16000, 0.5, speaker=2)
    settled = replace(SETTLED, hypothesis=Hypothesis((Alternative((word,) * 20, 0.5),) * 2))
    summary = Summary(id="the-id", kind=Kind.LIVE, status=Status.DONE, created_at=0.0)
    utterances = (replace(stored(settled), number=n, start=n, channel=n % 2) for n in range(count))
    transcription = Transcription(summary, tuple(utterances))
    best, channels = (
        [one.alternatives[0] for one in transcription.utterances],
        [one.channel for one in transcription.utterances],
    )
    expected = {
        OutputFormat.JSON: lambda: msgspec.json.encode(plain_body(transcription)),
        OutputFormat.TEXT: lambda: "".join(f"{one.transcript}\n" for one in best).encode(),
        OutputFormat.SRT: lambda: srt(best, channels).encode(),
        OutputFormat.VTT: lambda: vtt(best, channels).encode(),
    }[written]()
    fair_share = CountedShare()
    answer = await transcription_response(transcription, written, fair_share, extended=False)
    assert answer.body == expected
    assert fair_share.taken >= count // 10 - 1
    full = await transcription_response(transcription, OutputFormat.JSON, fair_share, extended=True)
    assert full.body == msgspec.json.encode(extended_body(transcription))


class CountedShare(FairShare):
    taken = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        self.taken += 1
        async with super().turn():
            yield
