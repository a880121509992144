"""Owns which tokens for one use were used: kept until they expire, and no more of them than there is room for."""

import heapq

from stream.errors import ClientError, Problem

# Some 20 MB. So many were to be used within the minute for which each is good.
_MOST_USES = 100_000
USED = "the token was for one use, and was used; get a new one"


class Uses:
    """The ids of used tokens, each until its expiry; used tokens of other servers are not known here."""

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
