"""The record of one call at a hostile server."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from riva.client.proto import riva_asr_pb2 as pb

from tests.hostile.riva.audio import NumberedWord, WordReader
from tests.hostile.riva.faults import Fault, dumps
from tests.hostile.riva.recognition import Transcript


class CallEnd(Enum):
    """How a call ended, seen from the server."""

    OK = "ok"
    EARLY = "ended early with OK, as the script says"
    ABORTED = "aborted, as the script says"
    REFUSED = "refused as a request that is not served"
    CANCELLED = "cancelled by the client, or cut off with the server"


@dataclass(kw_only=True)
class CallRecord:
    """One StreamingRecognize; `end` is None while it is open."""

    faults: tuple[Fault, ...] = ()
    metadata: dict[str, str | bytes] = field(default_factory=dict)
    config: pb.StreamingRecognitionConfig | None = None
    messages: int = 0
    forced: int = 0
    responses: int = 0
    is_half_closed: bool = False
    fired: list[Fault] = field(default_factory=list)
    finals: list[Transcript] = field(default_factory=list)
    end: CallEnd | None = None
    reader: WordReader = field(default_factory=WordReader)

    @property
    def samples(self) -> int:
        """How many samples were received."""
        return self.reader.position

    @property
    def words(self) -> list[NumberedWord]:
        """The words in the audio so far, settled or not."""
        return self.reader.words

    @property
    def numbers(self) -> list[int]:
        return [word.number for word in self.words]

    @property
    def settled(self) -> list[int]:
        """The numbers in the finals that were sent."""
        return [word.number for transcript in self.finals for word in transcript.words]

    def plain(self) -> dict[str, Any]:
        """Return it for JSON, with the faults as `dumps` writes them."""
        return {
            "language": self.config.config.language_code if self.config else None,
            "faults": dumps([self.faults]),
            "fired": dumps([tuple(self.fired)]),
            "messages": self.messages,
            "responses": self.responses,
            "samples": self.samples,
            "numbers": self.numbers,
            "settled": self.settled,
            "is_half_closed": self.is_half_closed,
            "end": self.end.name if self.end else None,
        }
