"""A supervised engine process: started, restarted when it dies, ended with us."""

import asyncio
import json
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Callable

from chappe.gateway.catalogue import Endpoint

log = logging.getLogger(__name__)

_START_SECONDS = 180
_RESTART_DELAYS = (0.5, 1, 2, 5, 15, 60)
_STABLE_SECONDS = 60


class EngineProcess:
    """Runs one engine and keeps its `endpoint` of the catalogue up to date.

    Args:
        endpoint: gets the address, key and state.
        kind: what the model is for.
        command: the engine's command line.
        changed: called when the endpoint changed.

    The child prints one JSON line `{"address": "http://127.0.0.1:PORT"}` when it is ready, and ends
    when its standard input closes: it can't outlive us, however we end.
    """

    def __init__(
        self, endpoint: Endpoint, kind: str, command: list[str], changed: Callable[[], None]
    ) -> None:
        self.endpoint = endpoint
        self.kind = kind
        self._changed = changed
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._errors: deque[str] = deque(maxlen=20)

    def start(self) -> None:
        """Begin; `endpoint.state` says how far it is."""
        self._supervisor = asyncio.create_task(self._supervise())

    async def wait_ready(self, seconds: float) -> bool:
        """Is the engine ready within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            return False
        return self.endpoint.state == "ready"

    @property
    def started(self) -> bool:
        """Was `start` called."""
        return self._supervisor is not None

    @property
    def pid(self) -> int | None:
        """Process number of the engine, when it runs."""
        return self._process.pid if self._process else None

    async def stop(self) -> None:
        """End the engine."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(3):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        # Closes our ends of its pipes now, while there is a loop to do it.
        process._transport.close()  # type: ignore[attr-defined]

    async def _supervise(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            reason = await self._run_once()
            self.endpoint.state = "starting" if failures < 2 else "failed"
            self.endpoint.base_url = None
            self._changed()
            if time.monotonic() - began > _STABLE_SECONDS:
                failures = 0
            delay = _RESTART_DELAYS[min(failures, len(_RESTART_DELAYS) - 1)]
            failures += 1
            if failures >= 3:
                self.endpoint.state = "failed"
                self.endpoint.detail = reason
                self._ready.set()
            log.error(
                "engine_ended",
                extra={"model": self.endpoint.name, "reason": reason, "restart_in_s": delay},
            )
            await asyncio.sleep(delay)

    async def _run_once(self) -> str:
        """Run the engine until it ends; gives the reason."""
        key = secrets.token_urlsafe(24)
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")
        }
        self._errors.clear()
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment | {"CHAPPE_ENGINE_KEY": key},
            start_new_session=True,
        )
        assert process.stdout is not None
        reading = asyncio.create_task(self._read_errors(process))
        try:
            try:
                async with asyncio.timeout(_START_SECONDS):
                    line = await process.stdout.readline()
            except TimeoutError:
                process.kill()
                return f"not ready after {_START_SECONDS} s"
            if line:
                self.endpoint.base_url = json.loads(line)["address"] + "/v1"
                self.endpoint.api_key = key
                self.endpoint.state = "ready"
                self.endpoint.detail = None
                self._changed()
                self._ready.set()
                log.info("engine_ready", extra={"model": self.endpoint.name})
            # Whatever it prints later is drained, so that a full pipe can't block it.
            while await process.stdout.read(4096):
                pass
            code = await process.wait()
            await reading
            last = self._errors[-1] if self._errors else ""
            return f"ended with code {code} {last}".strip()
        finally:
            reading.cancel()

    async def _read_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self._errors.append(line.decode(errors="replace").strip()[:300])
