"""The embedded server and the migrations, on a real PostgreSQL."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

import support
from chappe.core.database import migrate, schema_revision
from chappe.core.embedded_postgres import EmbeddedPostgres
from chappe.core.errors import ChappeError


def _objects(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind in ('r', 'v') union select typname from pg_type"
            " where typnamespace = 'public'::regnamespace and typtype = 'e'"
            " union select proname from pg_proc where proname like 'procrastinate%'"
        ).fetchall()
    return {row[0] for row in rows}


def test_migrations_go_up_and_down(database_url: str) -> None:
    before = _objects(database_url)
    assert {"document", "passage", "index_event", "procrastinate_jobs"} <= before
    migrate(database_url, "base")
    assert _objects(database_url) == {"alembic_version"}
    assert schema_revision(database_url)[0] is None
    migrate(database_url)
    assert _objects(database_url) == before
    there, newest = schema_revision(database_url)
    assert there == newest


def test_the_server_ends_with_a_killed_owner(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    code = (
        "import sys, time; from pathlib import Path;"
        "from chappe.core.embedded_postgres import EmbeddedPostgres;"
        "EmbeddedPostgres(Path(sys.argv[1])).start(); print('up', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=support.clean_environment(),
    )
    assert owner.stdout is not None and owner.stdout.readline() == "up\n"
    server = EmbeddedPostgres(folder)
    assert server.running()
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    deadline = time.monotonic() + 15
    while server.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server.running()
    server.start()  # and its data are whole
    with psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    server.stop()
    assert not server.running()


def test_a_long_folder_name_still_has_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 60) / ("b" * 60) / "postgres"
    server = EmbeddedPostgres(folder)
    server.start()
    with psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    server.stop()


def test_a_cluster_that_is_not_one_says_why(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("18\n")
    with pytest.raises(ChappeError) as caught:
        EmbeddedPostgres(tmp_path / "postgres").start()
    assert caught.value.code == "database_start"
    assert caught.value.values["reason"]
