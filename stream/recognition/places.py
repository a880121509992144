"""What the gateway and the embedded engine agree on beside Riva's protocol: sessions, and the places that they take.

A call names its session in its metadata. The service holds the place of a live session for as long as a call of `HOLD`
is open, and tells with `CAPACITY` how many places there are; its messages are protobuf's own `Empty` and `Struct`.
"""

from collections.abc import Sequence
from enum import StrEnum

SERVICE = "niyosha.engine.Places"
HOLD, CAPACITY = "Hold", "Capacity"

# Metadata of a call: whose it is, what it will cost, and whether the session was let in before, here or elsewhere.
SESSION, OWNER, WORK, KIND, ADMITTED = "session-id", "session-owner", "session-work", "session-kind", "session-admitted"
FILE, YES = "file", "true"
# Metadata of a refusal: gRPC's own hint when to come again, and why.
PUSHBACK, REASON = "grpc-retry-pushback-ms", "refusal-reason"
# A model row says with this parameter that the service is there, and that calls that wait are told so each second.
ADMITS_SESSIONS = "admits_sessions"


class WorkClass(StrEnum):
    """What decides how much the decoding of a second of speech costs."""

    PLAIN = "plain"
    PHRASES = "phrases"
    CLOSED = "closed"

    @classmethod
    def of(cls, phrases: Sequence[str], *, closed_vocabulary: bool) -> "WorkClass":
        """Return the class of a session with these phrases; with a `closed_vocabulary` only they are recognized."""
        if not phrases:
            return cls.PLAIN
        return cls.CLOSED if closed_vocabulary else cls.PHRASES


class Refusal(StrEnum):
    """Why a session is not let in.

    FULL: all places are taken; OWNER: its owner has more than a share of them, and the rest is for others; LATE: the
    finals of those who talk come late already.
    """

    FULL = "full"
    OWNER = "owner"
    LATE = "late"
