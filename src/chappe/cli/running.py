"""Commands that work on a running Chappe: opened, used and stopped."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from chappe.cli.session import one_line_errors, run, settings_for
from chappe.server.runtime import Runtime

Result = TypeVar("Result")


@asynccontextmanager
async def started(runtime: Runtime, kinds: Sequence[str] = ()) -> AsyncIterator[Runtime]:
    """A runtime whose database is open, with the engines of these kinds ready."""
    try:
        await runtime.start(kinds)
        await runtime.gateway.wait_ready(180)
        yield runtime
    finally:
        await runtime.stop()


def with_runtime(
    work: Callable[[Runtime], Coroutine[Any, Any, Result]], kinds: Sequence[str] = ()
) -> Result:
    """Open the database, run `work`, and stop all; errors in one line."""
    with one_line_errors():
        runtime = Runtime(settings_for(quiet=True))
        try:
            runtime.open_database()

            async def inside() -> Result:
                async with started(runtime, kinds):
                    return await work(runtime)

            return run(inside())
        finally:
            runtime.close_database()
    raise AssertionError("one_line_errors ends the process")
