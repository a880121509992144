"""Migrations: a database is brought to the newest revision, or refused where a newer version has used it."""

from pathlib import Path

from sqlalchemy import Connection, inspect

from web.store.database.away import UnusableDatabaseError

_MIGRATIONS = Path(__file__).parents[2] / "migrations"


def migrate(connection: Connection) -> None:
    """Bring the tables up to date; raises UnusableDatabaseError for a revision that is not known here."""
    revision, known = _revision(connection), _known_revisions()
    if revision == known[-1]:
        return
    if revision is not None and revision not in known:
        raise UnusableDatabaseError(
            f"the database of NIYOSHA_DATABASE_URL is at revision {revision}, and this version knows none after "
            f"{known[-1]}: a newer version has used it. Start that version, or name another database"
        )
    # 10 MB and 0.1 s that only the first start after an upgrade pays for.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    """The migration that the database is at, as alembic notes it there; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _known_revisions() -> list[str]:
    """The revisions there are, the newest last: their files are numbered."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
