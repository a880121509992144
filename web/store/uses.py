"""Tokens for one use that were used at any gateway with the same PostgreSQL."""

from sqlalchemy import delete

from web.clock import Clock
from web.store.database.database import Database
from web.store.tables import token_uses


class TokenUses:
    """The used tokens, by digests of their ids, each until it has expired."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def use(self, digest: str, seconds: float) -> bool:
        """Note for so long that a token was used; whether it is the first time."""
        now = self._clock()
        row = {"digest": digest, "expires_at": now + seconds}
        async with self._database.writing() as connection:
            # Of what has expired a minute longer is kept: clocks of gateways differ.
            await connection.execute(delete(token_uses).where(token_uses.c.expires_at < now - 60))
            added = self._database.insert_missing(token_uses).values(row).returning(token_uses.c.digest)
            return await connection.scalar(added) is not None
