"""Which tokens for one use were used: kept until they expire, and no more of them than there is room for."""

import asyncio
import hashlib
import heapq
import math
from collections.abc import Awaitable, Callable

import structlog

from stream.errors import ClientError, Problem
from web.clock import Clock

# Some 20 MB. So many were to be used within the minute for which each is good.
_MOST_USES = 100_000
# A handshake waits so long for what is shared, which is then left alone for a while.
_SHARED_SECONDS = 2.0
_RECOVERY_SECONDS = 5.0
USED = "the token was for one use, and was used; get a new one"


_log = structlog.get_logger()

UseShared = Callable[[str, float], Awaitable[bool]]
"""Notes that the token with this digest was used, for so many seconds; whether it is the first time anywhere."""


class SharedUses:
    """The tokens that were used at all gateways with one Redis, or one PostgreSQL.

    While neither answers each gateway knows its own uses only, as with the limits: a token could then be used once at
    each of them.
    """

    def __init__(self, use: UseShared, loop_clock: Clock) -> None:
        self._use = use
        self._loop_clock = loop_clock
        self._asked_from = -math.inf

    async def use(self, use_id: str, seconds: float) -> None:
        """Use a token up that expires in so many seconds; raises ClientError for one that was used anywhere."""
        if self._loop_clock() < self._asked_from:
            return
        # A digest: whoever reads the store learns no id.
        digest = hashlib.sha256(use_id.encode()).hexdigest()
        try:
            async with asyncio.timeout(_SHARED_SECONDS):
                is_first = await self._use(digest, seconds)
        except Exception as error:  # whichever store it is: a gateway without it still serves
            self._asked_from = self._loop_clock() + _RECOVERY_SECONDS
            _log.warning("token_uses_counted_alone", error=type(error).__name__)
            return
        if not is_first:
            raise ClientError(Problem.UNAUTHENTICATED, USED)


class Uses:
    """The ids of used tokens, each until its expiry, that were used at this gateway."""

    def __init__(self, most: int = _MOST_USES) -> None:
        self._most = most
        self._ids: set[str] = set()
        self._by_expiry: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._ids)

    def check(self, use_id: str) -> None:
        """Raise ClientError for a token that was used."""
        if use_id in self._ids:
            raise ClientError(Problem.UNAUTHENTICATED, USED)

    def use(self, use_id: str, expires_at: float, now: float) -> None:
        """Use a token up; raises ClientError for one that was used, and when no more can be kept in mind."""
        while self._by_expiry and self._by_expiry[0][0] <= now:
            self._ids.discard(heapq.heappop(self._by_expiry)[1])
        self.check(use_id)
        if len(self._ids) >= self._most:
            raise ClientError(
                Problem.OVERLOADED, "too many tokens for one use were used lately; come again in a minute"
            )
        self._ids.add(use_id)
        heapq.heappush(self._by_expiry, (expires_at, use_id))
