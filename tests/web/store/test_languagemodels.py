import asyncio

import pytest

from stream.configuration.config import LANGUAGE_MODELS, SessionConfig
from stream.errors import ClientError, Problem
from tests.support.loops.clock import MovableClock
from web.clock import wall_clock
from web.store.database.database import Database
from web.store.languagemodels import LanguageModel, LanguageModels, Untrained
from web.store.tables import Kind, Training
from web.store.transcriptions import Transcriptions, new_id


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def models(database: Database, clock: MovableClock) -> LanguageModels:
    return LanguageModels(database, clock=clock)


async def trained(models: LanguageModels, owner: str, *phrases: str) -> str:
    model_id = new_id()
    await models.open(model_id, owner, "Rare", ["a phrase"])
    await models.training(model_id)
    await models.trained(model_id, phrases)
    return model_id


async def refused(models: LanguageModels, name: str, owner: str) -> tuple[Problem, str]:
    with pytest.raises(ClientError) as refusal:
        await models.look_up(SessionConfig(language_model=name), owner)
    return refusal.value.problem, refusal.value.detail


async def test_a_model_is_queued_then_in_training_then_trained(models: LanguageModels) -> None:
    model_id, corpora = new_id(), ["Lyme Regis", "بیمارستان میلاد", "\0 and \n\x85"]
    model = await models.open(model_id, "ann", "نام", corpora)
    assert model == LanguageModel(
        id=model_id, name="نام", status=Training.QUEUED, created_at=model.created_at, corpora=3, phrases=0
    )
    assert await models.get(model_id, "ann") == model
    assert await models.training(model_id) == corpora
    begun = await models.get(model_id, "ann")
    assert begun is not None
    assert (begun.status, begun.phrases) == (Training.TRAINING, 0)
    await models.trained(model_id, ("Lyme Regis", "میلاد"))
    ended = await models.get(model_id, "ann")
    assert ended == LanguageModel(
        id=model_id, name="نام", status=Training.TRAINED, created_at=model.created_at, corpora=3, phrases=2
    )


async def test_ids_are_the_same_in_any_case(models: LanguageModels) -> None:
    model_id = await trained(models, "ann", "Rao")
    model = await models.get(model_id.upper(), "ann")
    assert model is not None
    assert model.id == model_id
    config = await models.look_up(SessionConfig(language_model=model_id.upper()), "ann")
    assert config.trained_phrases == ("Rao",)


async def test_an_owners_models_are_listed_the_newest_first(models: LanguageModels, clock: MovableClock) -> None:
    ids = []
    for name in ("first", "second", "third"):
        ids.append(new_id())
        await models.open(ids[-1], "ann", name, ["a phrase"])
        clock.now += 1
    await models.open(new_id(), "bob", "other", ["a phrase"])
    assert [model.id for model in await models.all("ann")] == ids[::-1]
    assert [model.name for model in await models.all("bob")] == ["other"]
    assert await models.all("eve") == []


async def test_a_trained_model_gives_a_configuration_its_phrases(models: LanguageModels) -> None:
    model_id = await trained(models, "ann", "Rao", "میلاد")
    config = SessionConfig(language_model=model_id, phrases=("mine",))
    looked_up = await models.look_up(config, "ann")
    assert (looked_up.trained_phrases, looked_up.phrases) == (("Rao", "میلاد"), ("mine",))


async def test_a_built_in_model_takes_trained_phrases_away(models: LanguageModels) -> None:
    for name in LANGUAGE_MODELS:
        config = SessionConfig(language_model=name, trained_phrases=("of another model",))
        assert await models.look_up(config, "ann") == SessionConfig(language_model=name)


async def test_nobody_elses_model_can_be_named_or_seen(models: LanguageModels) -> None:
    model_id, unknown = await trained(models, "ann", "Rao"), new_id()
    assert await refused(models, model_id, "bob") == (Problem.NOT_FOUND, f"there is no language model {model_id}")
    assert await refused(models, unknown, "ann") == (Problem.NOT_FOUND, f"there is no language model {unknown}")
    assert await models.get(model_id, "bob") is None


async def test_a_model_that_is_not_trained_yet_cannot_be_named(models: LanguageModels) -> None:
    model_id = new_id()
    await models.open(model_id, "ann", "Rare", ["a phrase"])
    sentence = f"languageModel is {model_id}, which is {{}}; it can be used once it is trained"
    assert await refused(models, model_id, "ann") == (Problem.INVALID_CONFIG, sentence.format("queued"))
    await models.training(model_id)
    assert await refused(models, model_id, "ann") == (Problem.INVALID_CONFIG, sentence.format("training"))


async def test_what_is_not_trained_is_found_the_oldest_first(models: LanguageModels, clock: MovableClock) -> None:
    # Made and begun in another order than that of their ids.
    ids = sorted((new_id() for _ in range(4)), reverse=True)
    for model_id, owner in zip(ids, ("ann", "bob", "ann", "bob"), strict=True):
        await models.open(model_id, owner, "Rare", ["a phrase"])
        clock.now += 1
    for model_id in (ids[2], ids[1]):
        await models.training(model_id)
    await models.trained(ids[1], ("Rao",))
    assert await models.untrained() == [Untrained(ids[0], "ann"), Untrained(ids[2], "ann"), Untrained(ids[3], "bob")]


async def test_a_trained_model_is_not_trained_again(models: LanguageModels) -> None:
    model_id = await trained(models, "ann", "Rao")
    assert await models.training(model_id) is None
    await models.trained(model_id, ("other",))
    config = await models.look_up(SessionConfig(language_model=model_id), "ann")
    assert config.trained_phrases == ("Rao",)


async def test_several_processes_may_train_the_same_models(database: Database, models: LanguageModels) -> None:
    ids = [new_id() for _ in range(5)]
    for model_id in ids:
        await models.open(model_id, "ann", "Rare", ["a phrase"])
    other = Database(database.url)

    async def train(mine: LanguageModels, phrase: str) -> None:
        for model_id in ids:
            await mine.training(model_id)
            await mine.trained(model_id, (phrase,))

    try:
        await asyncio.gather(train(models, "one"), train(LanguageModels(other, clock=wall_clock), "two"))
    finally:
        await other.close()
    assert await models.untrained() == []
    for model_id in ids:
        config = await models.look_up(SessionConfig(language_model=model_id), "ann")
        assert config.trained_phrases in {("one",), ("two",)}


async def test_transcriptions_that_an_owner_does_not_have_are_told(
    database: Database, models: LanguageModels, clock: MovableClock
) -> None:
    transcriptions, expired = Transcriptions(database, 60, clock=clock), Transcriptions(database, -1, clock=clock)
    mine, others, old, unknown = (new_id() for _ in range(4))
    await transcriptions.open(mine, "ann", Kind.LIVE)
    await transcriptions.open(others, "bob", Kind.LIVE)
    await expired.open(old, "ann", Kind.LIVE)
    asked = [unknown, mine, others, mine.upper(), old]
    assert await models.unknown(asked, "ann") == [unknown, others, old]
    assert await models.unknown([], "ann") == []
    many = [new_id() for _ in range(1100)]
    assert await models.unknown([*many, mine], "ann") == many


@pytest.mark.fault(32)
async def test_concurrent_requests_cannot_exceed_the_limit(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(3)]

    async def opened(number: int) -> bool:
        models = LanguageModels(databases[number % 3], clock=wall_clock)
        try:
            await models.open(new_id(), "ann", "name", ["a phrase"], most=4)
        except ClientError as error:
            assert error.problem is Problem.RATE_LIMITED
            return False
        return True

    assert sum(await asyncio.gather(*map(opened, range(18)))) == 4
    for database in databases:
        await database.close()
