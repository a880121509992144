"""The parameters of a handshake by which a client goes on with its transcription."""

import math
from dataclasses import dataclass, replace

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem, quoted
from stream.protocols.protocol import Handshake
from vad import SAMPLE_RATE
from web.auth.resume_tokens import ResumeTokens
from web.live.ownership import Ownership
from web.routes.schemas import Schema, in_query
from web.store.resumption import Resumption, Resumptions

RESUME, SETTLED = "resume", "settledMs"
_LONGEST_MS = 1e9
_SETTLED_RULE = f"it must be a number of milliseconds from 0 to {_LONGEST_MS:.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resuming:
    """The token of a transcription, and the sample before which its client has everything, None if it does not say."""

    token: str
    settled_samples: int | None = None


def resuming_query() -> tuple[Schema, ...]:
    """Describe the parameters in a query."""
    token = {"type": "string", "minLength": 1}
    settled = {"type": "number", "minimum": 0, "maximum": _LONGEST_MS}
    text = "go on with the transcription whose `ready` had this token; a connection that still serves it is closed"
    return (
        in_query(RESUME, text, token),
        in_query(SETTLED, "the last `settledMs` that was received, from which audio is sent; with `resume`", settled),
    )


def resuming(handshake: Handshake) -> tuple[Resuming | None, Handshake]:
    """Return what a handshake goes on with, None for nothing, and the handshake without that; raises ClientError."""
    token = handshake.parameter(RESUME)
    if token is None:
        return None, handshake
    rest = tuple((key, value) for key, value in handshake.query if key not in (RESUME, SETTLED))
    settled = handshake.parameter(SETTLED)
    wanted = Resuming(token=token, settled_samples=None if settled is None else _samples(settled))
    return wanted, replace(handshake, query=rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumer:
    """Finds what a client may go on with, `most_samples` of audio at most, and takes it from who served it."""

    tokens: ResumeTokens
    resumptions: Resumptions
    ownership: Ownership
    most_samples: int

    async def resume(
        self, wanted: Resuming, owner: str, config: SessionConfig, *, takes: bool
    ) -> tuple[str, Resumption]:
        """Return a transcription of an owner and where it goes on; raises ClientError.

        Whoever `takes` it alone may store more of it from now on.
        """
        if not config.store:
            raise ClientError(Problem.INVALID_CONFIG, f"store is false; with {RESUME} it must be true")
        transcription_id = self.tokens.transcription_id(wanted.token, owner)
        found = await self.resumptions.find(
            transcription_id, owner, wanted.settled_samples, config.channels, takes=takes
        )
        if found is None:
            detail = f"there is no transcription to resume any more; connect without {RESUME}"
            raise ClientError(Problem.NOT_FOUND, detail)
        if found.origin.samples >= self.most_samples:
            most_minutes = self.most_samples / SAMPLE_RATE / 60
            detail = f"the transcription has {most_minutes:g} minutes, as many as one may; connect without {RESUME}"
            raise ClientError(Problem.CONFLICT, detail)
        if takes:
            await self.ownership.take(transcription_id, found.hold.generation)
        return transcription_id, found


def _samples(text: str) -> int:
    try:
        ms = float(text)
    except ValueError:
        ms = math.nan
    if not 0 <= ms <= _LONGEST_MS:
        raise ClientError(Problem.INVALID_CONFIG, f"{SETTLED} is {quoted(text)}; {_SETTLED_RULE}")
    return round(ms * SAMPLE_RATE / 1000)
