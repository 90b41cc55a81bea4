"""Listening on the port, and stopping in order on Ctrl-C or SIGTERM."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from chappe.core.errors import ChappeError
from chappe.core.settings import Settings


def bind(settings: Settings) -> socket.socket:
    """The listening socket; taken before anything slow is started.

    Raises:
        ChappeError: `port_taken`.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise ChappeError(
            "port_taken", 503, port=settings.port, other=settings.port % 65535 + 1
        ) from error
    return listening


class Server(uvicorn.Server):
    """uvicorn, stopped by us: its own handling raises the signal again while we stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to :func:`on_signals`."""
        yield


def make_server(app: Any, protocol: type[asyncio.Protocol] | None = None) -> Server:
    """A server for an application; it gives running answers three seconds when it stops.

    Args:
        app: the ASGI application.
        protocol: uvicorn's own, or one made from it.
    """
    return Server(
        uvicorn.Config(
            app,
            http=protocol or "httptools",
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=3,
            h11_max_incomplete_event_size=65_536,
        )
    )


def on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


async def serve_until(server: Server, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving
