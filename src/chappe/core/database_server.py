"""The database server that the settings name: the operator's, or the embedded one."""

import psycopg

from chappe.core.embedded_postgres import EmbeddedPostgres
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings


class DatabaseServer:
    """The server that the settings name: the operator's, or the embedded one."""

    def __init__(self, settings: Settings) -> None:
        self.embedded = (
            None if settings.database_url else EmbeddedPostgres(settings.data_dir / "postgres")
        )
        self._url = settings.database_url

    @property
    def url(self) -> str:
        """libpq address; may hold a password: never log it."""
        if self.embedded is not None:
            return self.embedded.url
        assert self._url is not None
        return self._url.get_secret_value().replace("postgres://", "postgresql://", 1)

    def start(self) -> None:
        """Make sure that the server answers.

        Raises:
            ChappeError: `database_start` or `database_unreachable`.
        """
        if self.embedded is not None:
            self.embedded.start()
        try:
            with psycopg.connect(self.url, connect_timeout=10):
                pass
        except psycopg.OperationalError as error:
            reason = " ".join(str(error).split())
            raise ChappeError("database_unreachable", 503, reason=reason[:300]) from None

    def stop(self) -> None:
        """Stop the embedded server if this process started it."""
        if self.embedded is not None:
            self.embedded.stop()
