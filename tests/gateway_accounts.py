"""The accounts of a running installation, read from its database."""

import time

import openai
import psycopg

import support
from chappe.core.embedded_postgres import EmbeddedPostgres


def client(demo: support.Running, key: str | None = None) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{demo.url}/v1", api_key=key or demo.key, max_retries=0)


def database_of(running: support.Running) -> str:
    return EmbeddedPostgres(running.data_dir / "postgres").url


def accounts(running: support.Running, where: str = "true") -> list[tuple[object, ...]]:
    """The accounts written so far; those of the last half second may still be on their way."""
    time.sleep(0.7)
    with psycopg.connect(database_of(running)) as connection:
        return connection.execute(
            "select outcome, tokens_in, tokens_out, tokens_origin, ttft_ms, duration_ms, model"
            f" from request_account where operation = 'chat.completions' and {where}"
            " order by started_at"
        ).fetchall()


def settled(running: support.Running, before: int, seconds: float = 5) -> tuple[object, ...]:
    """The one account written since there were `before`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        rows = accounts(running)[before:]
        if rows:
            assert len(rows) == 1
            return rows[0]
        time.sleep(0.05)
    raise AssertionError("no account was written")
