"""The database: one place that knows where it is, opens connections and migrates it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from chappe.core.errors import ChappeError

MIGRATIONS = Path(__file__).parent.parent / "migrations"


class Base(DeclarativeBase):
    """Mother of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """Sessions on the application's database.

    Args:
        url: libpq address.
        connections: most connections held at once.
    """

    def __init__(self, url: str, connections: int = 10) -> None:
        self.url = url
        self.engine = create_async_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=connections,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session; committed at the end, rolled back on an error.

        Raises:
            ChappeError: `database_unreachable` when the server doesn't answer.
        """
        try:
            async with self._sessions() as session, session.begin():
                yield session
        except (OperationalError, psycopg.OperationalError) as error:
            if "No space left" in str(error):
                raise ChappeError("disk_full", 503, folder="") from error
            raise ChappeError("database_unreachable", 503, reason="") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise ChappeError("database_unreachable", 503, reason="") from error
            raise
        except TimeoutError as error:
            raise ChappeError("database_unreachable", 503, reason="") from error

    async def close(self) -> None:
        """Give every connection back."""
        await self.engine.dispose()


def _alembic(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url.replace("postgresql://", "postgresql+psycopg://", 1)
    return config


def migrate(url: str, revision: str = "head") -> None:
    """Bring the schema to `revision`: `head`, `base` (takes all away), or one by name.

    Raises:
        ChappeError: `database_extension`, pgvector isn't there and can't be created.
    """
    config = _alembic(url)
    try:
        if revision == "base" or revision.startswith("-"):
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)
    except DBAPIError as error:
        if 'extension "vector"' in str(error) or "permission denied to create extension" in str(
            error
        ):
            raise ChappeError("database_extension", 503) from error
        raise


def schema_revision(url: str) -> tuple[str | None, str | None]:
    """The schema's revision in the database, and the newest one known to this version."""
    newest = ScriptDirectory.from_config(_alembic(url)).get_current_head()
    with psycopg.connect(url, connect_timeout=10) as connection:
        there = connection.execute("select to_regclass('alembic_version')").fetchone()
        if there is None or there[0] is None:
            return None, newest
        row = connection.execute("select version_num from alembic_version").fetchone()
        return (row[0] if row else None), newest
