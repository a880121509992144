"""What a start builds, and how often."""

import pytest

from tests.web.support.gateway import running_gateway
from web.backends.riva import backend as riva
from web.process.listening import StartError
from web.process.serve import running
from web.settings.settings import Settings
from web.store.database.database import Database


@pytest.mark.virtual_time
async def test_the_database_is_opened_and_migrated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Database] = []
    migrated: list[Database] = []
    make, upgrade = Database.__init__, Database.upgrade

    def counted_make(database: Database, url: str) -> None:
        opened.append(database)
        make(database, url)

    async def counted_upgrade(database: Database) -> None:
        migrated.append(database)
        await upgrade(database)

    monkeypatch.setattr(Database, "__init__", counted_make)
    monkeypatch.setattr(Database, "upgrade", counted_upgrade)
    async with running_gateway():
        assert len(opened) == 1
        assert migrated == opened


async def test_a_database_that_cannot_be_opened_ends_the_start_before_a_backend_is_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a backend was run")

    monkeypatch.setattr(riva, "running", never)
    settings = Settings(port=0, riva_uri="a:1", database_url="sqlite:////proc/none/own.db")
    with pytest.raises(StartError, match=r"^the database of NIYOSHA_DATABASE_URL cannot be used: "):
        async with running(settings):
            pass
