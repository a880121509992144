"""Owns what a hostile server remembers of a call."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from riva.client.proto import riva_asr_pb2 as pb

from tests.hostile.riva.audio import Ear, HeardWord
from tests.hostile.riva.faults import Fault, dumps
from tests.hostile.riva.recognition import Told


class CallEnd(Enum):
    """How a call ended, seen from the server."""

    OK = "ok"
    EARLY = "ended early with OK, as the script says"
    ABORTED = "aborted, as the script says"
    REFUSED = "refused as a request that is not served"
    CANCELLED = "cancelled by the client, or cut off with the server"


@dataclass
class CallRecord:
    """One StreamingRecognize; `end` is None while it is open. Whatever is heard is heard in order."""

    faults: tuple[Fault, ...] = ()
    metadata: dict[str, str | bytes] = field(default_factory=dict)
    config: pb.StreamingRecognitionConfig | None = None
    messages: int = 0
    forced: int = 0
    responses: int = 0
    is_half_closed: bool = False
    fired: list[Fault] = field(default_factory=list)
    finals: list[Told] = field(default_factory=list)
    end: CallEnd | None = None
    ear: Ear = field(default_factory=Ear)

    @property
    def samples(self) -> int:
        """How many samples were heard."""
        return self.ear.position

    @property
    def words(self) -> list[HeardWord]:
        """Which words were heard, settled or not."""
        return self.ear.words

    @property
    def numbers(self) -> list[int]:
        return [word.number for word in self.words]

    @property
    def settled(self) -> list[int]:
        """The numbers in the finals that were sent."""
        return [word.number for told in self.finals for word in told.words]

    def plain(self) -> dict[str, Any]:
        """As JSON has it; the faults as `dumps` writes them."""
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
