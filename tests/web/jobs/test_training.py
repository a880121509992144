"""The training of language models, one after the other, in any process and through failures."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from stream.configuration.config import SessionConfig
from tests.web.support.utterances import said
from web.clock import wall_clock
from web.jobs import training
from web.jobs.training import Trainer
from web.store.database.database import Database
from web.store.languagemodels import LanguageModels, Untrained
from web.store.tables import Kind, Training
from web.store.transcriptions import Transcriptions, new_id

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What differs by database is tested with the tables, in tests/web/store/test_languagemodels.py."""
    return sqlite_url


@pytest.fixture
def models(database: Database) -> LanguageModels:
    return LanguageModels(database, clock=wall_clock)


@pytest.fixture
def transcriptions(database: Database) -> Transcriptions:
    return Transcriptions(database, 3600, clock=wall_clock)


@asynccontextmanager
async def running(*trainers: Trainer) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(trainer.run()) for trainer in trainers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True)
        )


async def queued(models: LanguageModels, *corpora: str, owner: str = "ann") -> str:
    model_id = new_id()
    await models.open(model_id, owner, "Rare", corpora)
    return model_id


async def phrases_of(models: LanguageModels, model_id: str, owner: str = "ann") -> Sequence[str]:
    """Wait until the model is trained."""
    while (model := await models.get(model_id, owner)) is None or model.status != Training.TRAINED:
        await asyncio.sleep(0.25)
    return (await models.look_up(SessionConfig(language_model=model_id), owner)).trained_phrases


async def test_what_an_earlier_process_left_is_trained(models: LanguageModels, transcriptions: Transcriptions) -> None:
    left, begun = await queued(models, "Lyme Regis"), await queued(models, "axolotl")
    await models.training(begun)
    async with running(Trainer(models, transcriptions, 500)):
        assert await phrases_of(models, left) == ("Lyme Regis",)
        assert await phrases_of(models, begun) == ("axolotl",)


async def test_a_model_that_is_announced_is_trained_at_once(
    models: LanguageModels, transcriptions: Transcriptions
) -> None:
    trainer = Trainer(models, transcriptions, 1)
    async with running(trainer):
        await asyncio.sleep(1)
        model_id, began = await queued(models, "Lyme Regis", "axolotl", "axolotl"), now()
        trainer.wake()
        assert await phrases_of(models, model_id) == ("axolotl",)
        assert now() - began <= 0.25


async def test_a_model_of_another_process_is_found_within_5_seconds(
    models: LanguageModels, transcriptions: Transcriptions
) -> None:
    async with running(Trainer(models, transcriptions, 500)):
        await asyncio.sleep(1)
        model_id, began = await queued(models, "Lyme Regis"), now()
        assert await phrases_of(models, model_id) == ("Lyme Regis",)
        assert 4 <= now() - began <= 4.25


async def test_a_transcription_stands_for_its_text(models: LanguageModels, transcriptions: Transcriptions) -> None:
    mine, others, deleted = new_id(), new_id(), new_id()
    for transcription_id, owner, name in ((mine, "ann", "Rao"), (others, "bob", "Kim"), (deleted, "ann", "Lee")):
        await transcriptions.open(transcription_id, owner, Kind.LIVE)
        await transcriptions.add(transcription_id, said(f"then we saw {name} there", "", "was it the graft"))
    await transcriptions.delete(deleted, "ann")
    model_id = await queued(
        models, mine.upper(), mine, others, deleted, "axolotl", "this is no graft of Dr. Khan at all"
    )
    async with running(Trainer(models, transcriptions, 500)):
        assert await phrases_of(models, model_id) == ("axolotl", "Khan", "Rao", "Dr Khan", "graft")


async def test_so_much_is_read_of_the_transcriptions(
    models: LanguageModels, transcriptions: Transcriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MOST_CHARACTERS", 10)
    ids = [new_id(), new_id()]
    for transcription_id, name in zip(ids, ("Rao", "Kim"), strict=True):
        await transcriptions.open(transcription_id, "ann", Kind.LIVE)
        await transcriptions.add(transcription_id, said(f"then we saw {name} there"))
    model_id = await queued(models, *ids)
    async with running(Trainer(models, transcriptions, 500)):
        assert await phrases_of(models, model_id) == ("Rao",)


async def test_a_failed_training_stops_no_other_and_logs_no_text(
    models: LanguageModels, transcriptions: Transcriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def select(entries: Sequence[str], transcripts: Sequence[str], most_phrases: int) -> tuple[str, ...]:
        assert threading.current_thread() is not threading.main_thread()
        if "secret" in entries:
            raise ValueError("secret")
        return tuple(entries)

    monkeypatch.setattr(training, "select", select)
    broken, sound = await queued(models, "secret"), await queued(models, "axolotl")
    with capture_logs() as logs:
        async with running(Trainer(models, transcriptions, 500)):
            assert await phrases_of(models, sound) == ("axolotl",)
            await asyncio.sleep(30)
    assert "secret" not in str(logs)
    assert "axolotl" not in str(logs)
    failed = [log for log in logs if log["event"] == "training_failed"]
    assert [(log["model_id"], log["error"], log["log_level"]) for log in failed] == [(broken, "ValueError", "error")]
    assert __file__ in failed[0]["at"]


async def test_a_model_that_failed_is_tried_again_after_a_minute(
    models: LanguageModels, transcriptions: Transcriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures, tries = iter([ValueError(), ValueError()]), list[float]()

    class Noted(LanguageModels):
        async def training(self, model_id: str) -> list[str] | None:
            tries.append(now())
            return await super().training(model_id)

    def select(entries: Sequence[str], transcripts: Sequence[str], most_phrases: int) -> tuple[str, ...]:
        for failure in failures:
            raise failure
        return tuple(entries)

    monkeypatch.setattr(training, "select", select)
    noted = Noted(models._database, clock=wall_clock)
    model_id = await queued(models, "axolotl")
    async with running(Trainer(noted, transcriptions, 500)):
        await asyncio.sleep(125)
        assert await phrases_of(models, model_id) == ("axolotl",)
    assert [at - tries[0] for at in tries] == [0, 60, 120]


async def test_a_database_that_is_away_is_asked_again(
    models: LanguageModels, transcriptions: Transcriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained, failures = models.untrained, iter([OSError("secret")])

    async def away() -> list[Untrained]:
        for failure in failures:
            raise failure
        return await untrained()

    monkeypatch.setattr(models, "untrained", away)
    model_id, began = await queued(models, "axolotl"), now()
    with capture_logs() as logs:
        async with running(Trainer(models, transcriptions, 500)):
            assert await phrases_of(models, model_id) == ("axolotl",)
        assert 5 <= now() - began <= 5.25
    assert [(log["event"], log["error"]) for log in logs if log["log_level"] == "error"] == [
        ("training_stopped", "OSError")
    ]
    assert "secret" not in str(logs)


async def test_several_processes_may_train_the_same_models(
    database: Database, models: LanguageModels, transcriptions: Transcriptions
) -> None:
    ids = [await queued(models, f"phrase {number}") for number in range(10)]
    other = Database(database.url)
    try:
        with capture_logs() as logs:
            others_models = LanguageModels(other, clock=wall_clock)
            others_transcriptions = Transcriptions(other, 3600, clock=wall_clock)
            async with running(
                Trainer(models, transcriptions, 500), Trainer(others_models, others_transcriptions, 500)
            ):
                for number, model_id in enumerate(ids):
                    assert await phrases_of(models, model_id) == (f"phrase {number}",)
    finally:
        await other.close()
    assert [log for log in logs if log["log_level"] == "error"] == []
