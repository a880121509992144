"""Trained language models in the database: their corpora, their status and their phrases."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Integer, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from web.clock import Clock
from web.store.database.database import Database
from web.store.tables import Training, language_models, transcriptions

# Both databases limit the number of parameters of a statement.
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """A language model without its texts: the number of its corpora, and of the phrases selected from them."""

    id: str
    name: str
    status: Training
    created_at: float
    corpora: int
    phrases: int = 0


@dataclass(frozen=True, slots=True)
class Untrained:
    """A language model that is still to be trained, and its owner."""

    id: str
    owner: str


class LanguageModels:
    """The language models of all owners. `clock` tells the time of day."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def open(
        self, model_id: str, owner: str, name: str, corpora: Sequence[str], *, most: int | None = None
    ) -> LanguageModel:
        """Queue a model for training; raises ClientError if its owner has `most` already.

        The check and the insert are one step for all processes.
        """
        model = LanguageModel(
            id=model_id, name=name, status=Training.QUEUED, created_at=self._clock(), corpora=len(corpora)
        )
        row = {
            "id": model_id,
            "owner": owner,
            "name": name,
            "status": model.status,
            "created_at": model.created_at,
            "corpora": list(corpora),
        }
        async with self._database.writing() as connection:
            if most is not None:
                await self._database.lock(connection, "language models", owner)
                if await _count(connection, owner) >= most:
                    detail = f"you have {most} language models, and no more are kept; delete one"
                    raise ClientError(Problem.RATE_LIMITED, detail)
            await connection.execute(insert(language_models).values(row))
        return model

    async def get(self, model_id: str, owner: str) -> LanguageModel | None:
        """Return a model, None if the owner has none of this id."""
        mine = language_models.c.id == model_id.lower(), language_models.c.owner == owner
        async with self._database.reading() as connection:
            row = (await connection.execute(select(*_summary_columns()).where(*mine))).one_or_none()
        return None if row is None else _summary(row)

    async def all(self, owner: str) -> list[LanguageModel]:
        """Return all models of an owner, newest first."""
        columns = language_models.c
        mine = select(*_summary_columns()).where(columns.owner == owner)
        async with self._database.reading() as connection:
            rows = await connection.execute(mine.order_by(columns.created_at.desc(), columns.id.desc()))
            return [_summary(row) for row in rows]

    async def count(self, owner: str) -> int:
        """Return how many models an owner has."""
        async with self._database.reading() as connection:
            return await _count(connection, owner)

    async def delete(self, model_id: str, owner: str) -> bool:
        """Delete a model with its texts; return whether the owner had it."""
        mine = language_models.c.id == model_id.lower(), language_models.c.owner == owner
        async with self._database.erasing() as connection:
            deleted = await connection.execute(delete(language_models).where(*mine))
        return deleted.rowcount > 0

    async def look_up(self, config: SessionConfig, owner: str) -> SessionConfig:
        """Return the configuration with the phrases of the trained model that it names, if it names one.

        Raises ClientError for a model that the owner does not have, or that is not trained yet.
        """
        if not config.names_trained_model:
            return replace(config, trained_phrases=())
        columns = language_models.c
        mine = columns.id == config.language_model.lower(), columns.owner == owner
        async with self._database.reading() as connection:
            row = (await connection.execute(select(columns.status, columns.phrases).where(*mine))).one_or_none()
        if row is None:
            raise ClientError(Problem.NOT_FOUND, f"there is no language model {config.language_model}")
        if row.status != Training.TRAINED:
            raise ClientError(
                Problem.INVALID_CONFIG,
                f"languageModel is {config.language_model}, which is {row.status}; it can be used once it is trained",
            )
        return replace(config, trained_phrases=tuple(row.phrases))

    async def unknown(self, transcription_ids: Sequence[str], owner: str) -> list[str]:
        """Return those ids that no transcription of the owner has."""
        columns = transcriptions.c
        known: set[str] = set()
        async with self._database.reading() as connection:
            for first in range(0, len(transcription_ids), _IDS_AT_ONCE):
                asked = [one.lower() for one in transcription_ids[first : first + _IDS_AT_ONCE]]
                there = columns.id.in_(asked), columns.owner == owner, columns.expires_at >= self._clock()
                known.update(await connection.scalars(select(columns.id).where(*there)))
        return [one for one in transcription_ids if one.lower() not in known]

    async def untrained(self) -> list[Untrained]:
        """Return the models that are queued or in training, oldest first."""
        columns = language_models.c
        waiting = select(columns.id, columns.owner).where(columns.status != Training.TRAINED)
        async with self._database.reading() as connection:
            rows = await connection.execute(waiting.order_by(columns.created_at, columns.id))
            return [Untrained(row.id, row.owner) for row in rows]

    async def training(self, model_id: str) -> list[str] | None:
        """Mark a model as in training; return the entries of its corpora, None if another process has trained it."""
        columns = language_models.c
        mine = columns.id == model_id, columns.status != Training.TRAINED
        async with self._database.writing() as connection:
            begun = await connection.execute(update(language_models).where(*mine).values(status=Training.TRAINING))
            if not begun.rowcount:
                return None
            chosen = await connection.execute(select(columns.corpora).where(columns.id == model_id))
            corpora: list[str] = chosen.scalar_one()
        return corpora

    async def trained(self, model_id: str, phrases: Sequence[str]) -> None:
        """Store the phrases of a model; those that it already has are kept."""
        columns = language_models.c
        mine = columns.id == model_id, columns.status != Training.TRAINED
        values = {"status": Training.TRAINED, "phrases": list(phrases)}
        async with self._database.writing() as connection:
            await connection.execute(update(language_models).where(*mine).values(values))


async def _count(connection: AsyncConnection, owner: str) -> int:
    mine = select(func.count()).select_from(language_models).where(language_models.c.owner == owner)
    return int(await connection.scalar(mine) or 0)


def _summary_columns() -> tuple[ColumnElement[Any], ...]:
    columns = language_models.c
    corpora = func.json_array_length(columns.corpora, type_=Integer).label("corpora")
    phrases = func.coalesce(func.json_array_length(columns.phrases, type_=Integer), 0).label("phrases")
    return columns.id, columns.name, columns.status, columns.created_at, corpora, phrases


def _summary(row: Any) -> LanguageModel:
    return LanguageModel(
        id=row.id,
        name=row.name,
        status=Training(row.status),
        created_at=row.created_at,
        corpora=row.corpora,
        phrases=row.phrases,
    )
