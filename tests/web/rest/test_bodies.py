import msgspec

from stream.events import Alternative, Hypothesis, Reason, Settled, Word
from stream.wire import WireResult
from web.rest.bodies import extended_body, plain_body
from web.store.tables import Kind, Status
from web.store.transcriptions import StoredUtterance, Summary, Transcription, stored

WORDS = (Word("one", 8000, 16000, 0.5, speaker=2), Word("two", 16000, 24000, 0.5))
SETTLED = Settled(1, Hypothesis((Alternative(WORDS, 0.5),)), Reason.ENDPOINT, 32000, 0.4, was_shown=True)


def test_speakers_are_stored_and_told_in_the_extended_body_only() -> None:
    kept = msgspec.json.decode(msgspec.json.encode(stored(SETTLED).alternatives), type=list[WireResult])
    summary = Summary("the-id", Kind.LIVE, Status.DONE, 0.0)
    transcription = Transcription(summary, (StoredUtterance(1, 0, 8000, 32000, kept),))
    (full,) = extended_body(transcription).results
    assert [word.speaker for word in full.words] == [2, msgspec.UNSET]
    assert full.alternatives[0].words == full.words
    (plain,) = plain_body(transcription).results
    assert [word.speaker for word in plain.words] == [msgspec.UNSET] * 2
    assert b"speaker" not in msgspec.json.encode(plain_body(transcription))
