"""Servers that the connectors' tests read from: a web site, WebDAV and S3, all real."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support import free_port


@dataclass
class Reply:
    """What a path answers."""

    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """A web site whose pages a test sets; `requests` are (path, headers) in their order."""

    port: int
    pages: dict[str, Reply | Callable[[dict[str, str]], Reply]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def page(self, path: str, *links: str, head: str = "", **reply: Any) -> None:
        """Set a page that links to others."""
        anchors = "".join(f'<a href="{link}">{link}</a>' for link in links)
        html = f"<html><head><title>{path}</title>{head}</head><body><p>Ici {path}</p>{anchors}"
        self.pages[path] = Reply(html.encode(), **reply)

    def paths(self) -> list[str]:
        """What was asked for, robots.txt apart."""
        return [path for path, _ in self.requests if path != "/robots.txt"]


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """A web site on loopback."""
    served = Site(free_port())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            served.requests.append((self.path, headers))
            reply = served.pages.get(self.path, Reply(b"nothing here", status=404))
            if callable(reply):
                reply = reply(headers)
            self.send_response(reply.status)
            if reply.status not in (204, 304):
                self.send_header("content-type", reply.kind)
                self.send_header("content-length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if reply.status not in (204, 304):
                with contextlib.suppress(OSError):
                    self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", served.port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def webdav(folder: Path, users: dict[str, str] | None = None) -> Iterator[str]:
    """A WebDAV server over a folder; gives its address."""
    from cheroot import wsgi
    from wsgidav.wsgidav_app import WsgiDAVApp

    port = free_port()
    mapping: dict[str, Any] | bool = (
        {name: {"password": secret} for name, secret in users.items()} if users else True
    )
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/partage": str(folder)},
            "simple_dc": {"user_mapping": {"*": mapping}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False,
                                   "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )  # fmt: skip
    server = wsgi.Server(("127.0.0.1", port), app, numthreads=2, shutdown_timeout=1)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}/partage"
    finally:
        server.stop()


@contextlib.contextmanager
def s3() -> Iterator[str]:
    """An S3 server; gives its address."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
