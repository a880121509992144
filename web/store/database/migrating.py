"""Migrate a database to the newest revision, or refuse one that a newer version has used."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from stream.lazy_import import lazy_import
from web.store.database.unavailable import UnusableDatabaseError

# 10 MB and 0.1 s that only the first start after an upgrade needs.
if TYPE_CHECKING:
    from alembic import command, config
else:
    command, config = lazy_import("alembic.command"), lazy_import("alembic.config")

_MIGRATIONS = Path(__file__).parents[2] / "migrations"


def migrate(connection: Connection) -> None:
    """Bring the tables up to date; raises UnusableDatabaseError for an unknown revision."""
    revision, known = _revision(connection), _known_revisions()
    if revision == known[-1]:
        return
    if revision is not None and revision not in known:
        raise UnusableDatabaseError(
            f"the database of NIYOSHA_DATABASE_URL is at revision {revision}, and this version knows none after "
            f"{known[-1]}: a newer version has used it. Start that version, or name another database"
        )
    options = config.Config()
    options.set_main_option("script_location", str(_MIGRATIONS))
    options.attributes["connection"] = connection
    command.upgrade(options, "head")


def _revision(connection: Connection) -> str | None:
    """Return the revision of a database, None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _known_revisions() -> list[str]:
    """Return all revisions, newest last: their files are numbered."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
