"""Reading files in a process apart: it can be killed, and takes nothing of ours with it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import msgspec

from chappe.knowledge.reading import exchange
from chappe.knowledge.reading.job import Job
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.worker import Outcome, Request

log = logging.getLogger(__name__)

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR",
              "TESSDATA_PREFIX")  # fmt: skip
_RESULT_BYTES = 1 << 30
_END_SECONDS = 3.0


class Reader:
    """A reading process that is kept for the next file; one file at a time.

    Started at the first file, started again after it was killed. For several files at once, take
    several readers. `async with Reader() as reader: await reader.read(...)`.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._errors: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._modules: set[str] = set()
        self.last: Outcome | None = None
        """How the last file's reading ended: seconds and highest memory, for reports."""

    async def __aenter__(self) -> Reader:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def read(
        self,
        path: Path,
        name: str,
        limits: Limits,
        folder: Path,
        languages: tuple[str, ...] | None = None,
    ) -> ReadResult:
        """Read a file; files inside it are copied into `folder`, an empty one that the caller owns.

        `name` is what people call it. `languages`: Tesseract's names, for scanned pages.

        Raises:
            ReadingError: it can't be read; the code says why.
        """
        if languages is not None:
            limits = replace(limits, ocr_languages=languages)
        answer = await self._do(Job(str(path), name, str(folder), limits))
        return ReadResult(answer.document, answer.members)

    async def render(self, path: Path, page: int, width_px: int, limits: Limits) -> bytes:
        """A page of a PDF, or an image, as PNG; pages count from 1.

        Raises:
            ReadingError: `no_such_page`, or as for `read`.
        """
        with tempfile.TemporaryDirectory(prefix="chappe-page-") as folder:
            answer = await self._do(Job(str(path), path.name, folder, limits, page, width_px))
        if answer.image is None:
            raise ReadingError("crashed")
        return answer.image

    async def close(self) -> None:
        """End the reading process."""
        async with self._turn:
            await self._end()

    async def _do(self, job: Job) -> exchange.Answer:
        async with self._turn:
            folder = Path(job.folder)
            request = msgspec.json.encode(Request(job, tuple(sorted(self._modules)))) + b"\n"
            try:
                outcome = self.last = await self._ask(request)
            except BaseException:  # cancelled too: what it was doing must not go on
                await self._end()
                raise
            if outcome is None:
                await self._end()
                raise ReadingError("crashed")
            if outcome.end == "time":
                raise ReadingError("too_slow", limit=round(job.limits.seconds))
            if outcome.end == "memory":
                raise ReadingError("too_much_memory")
            if outcome.end == "crashed":
                raise ReadingError("crashed")
            answer = await asyncio.to_thread(exchange.take, folder, _RESULT_BYTES)
            if answer.code is not None:
                raise ReadingError(answer.code, **answer.values)
            if answer.module is not None:
                self._modules.add(answer.module)
            return answer

    async def _ask(self, request: bytes) -> Outcome | None:
        """Send a request; `None` when the reading process ended instead of answering."""
        process = self._process
        if process is None or process.returncode is not None:
            process = await self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(request)
            await process.stdin.drain()
            line = await process.stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            return None
        return msgspec.json.decode(line, type=Outcome) if line.endswith(b"\n") else None

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # Libraries' own threads would not survive a fork.
        environment |= {"OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "chappe.knowledge.reading.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )  # fmt: skip
        self._errors = asyncio.create_task(_log_errors(process))
        return process

    async def _end(self) -> None:
        """Close its standard input, at which it kills its child and ends; kill it if it doesn't."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._errors is not None:
            await asyncio.gather(self._errors, return_exceptions=True)
        process._transport.close()  # type: ignore[attr-defined]


async def _log_errors(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        log.warning("reading_process", extra={"line": line.decode(errors="replace").rstrip()[:500]})


async def read(
    path: Path,
    name: str,
    limits: Limits,
    folder: Path,
    languages: tuple[str, ...] | None = None,
) -> ReadResult:
    """Read one file in a process of its own; see :meth:`Reader.read`."""
    async with Reader() as reader:
        return await reader.read(path, name, limits, folder, languages)


async def render(path: Path, page: int, width_px: int, limits: Limits) -> bytes:
    """Draw one page in a process of its own; see :meth:`Reader.render`."""
    async with Reader() as reader:
        return await reader.render(path, page, width_px, limits)
