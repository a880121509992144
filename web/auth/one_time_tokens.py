"""The tokens for one use that were used, each remembered until it expires."""

import asyncio
import hashlib
import heapq
import math
from collections.abc import Awaitable, Callable

import structlog

from stream.errors import ClientError, Problem
from web.clock import Clock

# How long a handshake waits for the shared store, and for how long the store is left alone after it failed.
_SHARED_SECONDS = 2.0
_RECOVERY_SECONDS = 5.0
USED = "the token was for one use, and was used; get a new one"
_log = structlog.get_logger()

UseShared = Callable[[str, float], Awaitable[bool]]
"""Marks the token with this digest as used for so many seconds; returns whether it was not marked before."""


class SharedUsedTokens:
    """The tokens that were used at any gateway with the same Redis or PostgreSQL, or at any worker of one server.

    While the store does not answer, each gateway knows its own uses only, and a token can be used once at each.
    """

    def __init__(self, use: UseShared, loop_clock: Clock) -> None:
        self._use = use
        self._loop_clock = loop_clock
        self._retry_at = -math.inf

    async def use(self, use_id: str, seconds: float) -> None:
        """Use up a token that expires in so many seconds; raises ClientError if it was used at any gateway."""
        if self._loop_clock() < self._retry_at:
            return
        # The store gets a digest, so that nobody who reads it learns an id.
        digest = hashlib.sha256(use_id.encode()).hexdigest()
        try:
            async with asyncio.timeout(_SHARED_SECONDS):
                is_first = await self._use(digest, seconds)
        except ClientError:
            raise
        except Exception as error:  # whatever store it is, the gateway still serves without it
            self._retry_at = self._loop_clock() + _RECOVERY_SECONDS
            _log.warning("token_uses_counted_alone", error=type(error).__name__)
            return
        if not is_first:
            raise ClientError(Problem.UNAUTHENTICATED, USED)


class UsedTokens:
    """The ids of the tokens that were used at this gateway, each until it expires; `most` ids at most."""

    MOST = 100_000
    """About 20 MB. Tokens for one use last a minute unless asked otherwise: this allows as many handshakes a minute."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._ids: set[str] = set()
        self._by_expiry: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._ids)

    def check(self, use_id: str) -> None:
        """Raise ClientError if the token was used."""
        if use_id in self._ids:
            raise ClientError(Problem.UNAUTHENTICATED, USED)

    def use(self, use_id: str, expires_at: float, now: float) -> None:
        """Use a token up; raises ClientError if it was used, or if there is no room to remember it."""
        while self._by_expiry and self._by_expiry[0][0] <= now:
            self._ids.discard(heapq.heappop(self._by_expiry)[1])
        self.check(use_id)
        if len(self._ids) >= self._most:
            raise ClientError(
                Problem.OVERLOADED, "too many tokens for one use were used lately; come again in a minute"
            )
        self._ids.add(use_id)
        heapq.heappush(self._by_expiry, (expires_at, use_id))
