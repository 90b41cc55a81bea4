"""The gateways that are compared: how each is installed, started, asked and stopped.

A peer that can't be had here is left out with the reason (:class:`Unavailable`).
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from measure import Tree, pin
from tools import GATEWAY_CORE, LOAD_CORE, free_port, on_core

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "chappe", "gateway"]
VLLM_ROUTER = "vllm-router==0.1.17"
LITELLM = "litellm[proxy]==1.106.2"
MODEL = "bench"
_START_SECONDS = 120.0


class Unavailable(Exception):
    """A peer that can't be installed or started here; says why."""


@dataclass
class Peer:
    """One way from the load to the upstream.

    Attributes:
        command: none for `direct`, which is the upstream itself.
        key: what the load gives as bearer token.
    """

    name: str
    port: int
    command: list[str] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    key: str = "bench"
    log: Path = Path(os.devnull)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Is there a process to measure."""
        return self._process is not None

    @property
    def tree(self) -> Tree:
        """Its processes now."""
        assert self._process is not None
        return Tree.of(self._process.pid)

    def start(self) -> None:
        """Start it and wait until a request is answered.

        Raises:
            Unavailable: it ended, or nothing was answered in two minutes.
        """
        if self.command is None:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                on_core(GATEWAY_CORE, self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(self.environment),
                cwd=self.log.parent,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                text = self.log.read_text(errors="replace").strip()[-2000:]
                raise Unavailable(f"{self.name} doesn't start:\n{text}")
            time.sleep(0.2)
        pin(self.tree.database, LOAD_CORE)

    def _answers(self) -> bool:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "?"}], "max_tokens": 8}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {self.key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return "usage" in json.load(answer)
        except (OSError, ValueError):
            return False

    def stop(self) -> None:
        """End it, by force after 15 s."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def direct(folder: Path, upstream: int) -> Peer:
    """No gateway: what is subtracted from the latencies of the others."""
    return Peer("direct", upstream)


def nginx(folder: Path, upstream: int) -> Peer:
    """A plain reverse proxy with connections kept to the upstream, from Debian's package."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise Unavailable(
                "nginx isn't installed, and only root can: apt-get install nginx-light"
            )
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", "nginx-light"])
        program = "/usr/sbin/nginx"
    port = free_port()
    settings = folder / "nginx.conf"
    settings.write_text(
        f"""
        daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
        events {{ worker_connections 8192; }}
        http {{
          access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/nginx-body;
          upstream mock {{
            server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000;
          }}
          server {{
            listen 127.0.0.1:{port} backlog=4096;
            location / {{
              proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
              proxy_buffering off;
            }}
          }}
        }}"""
    )
    command = [program, "-p", str(folder), "-c", str(settings)]
    return Peer("nginx", port, command, log=folder / "nginx.log")


def vllm_router(folder: Path, upstream: int) -> Peer:
    """vLLM's router (Rust); one worker, so its policy has nothing to choose."""
    program = _installed("vllm-router", VLLM_ROUTER)
    port = free_port()
    command = [
        program, "--host", "127.0.0.1", "--port", str(port), "--policy", "round_robin",
        "--worker-urls", f"http://127.0.0.1:{upstream}", "--log-level", "error",
        "--max-concurrent-requests", "4096", "--prometheus-port", str(free_port()),
    ]  # fmt: skip
    return Peer("vllm-router", port, command, log=folder / "vllm-router.log")


def litellm(folder: Path, upstream: int) -> Peer:
    """The LiteLLM proxy: one process, its master key checked, no database."""
    program = _installed("litellm", LITELLM)
    port = free_port()
    settings = folder / "litellm.yaml"
    settings.write_text(
        f"""
model_list:
  - model_name: {MODEL}
    litellm_params:
      model: openai/{MODEL}
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: none
litellm_settings:
  telemetry: false
general_settings:
  master_key: sk-bench
"""
    )
    command = [program, "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    return Peer("litellm", port, command, environment, "sk-bench", folder / "litellm.log")


def chappe(folder: Path, upstream: int, source: Path = ROOT) -> Peer:
    """Ours, with everything on: key, quotas, accounts in the embedded PostgreSQL, metrics."""
    port = free_port()
    # The capacity is set: a learned one would make 1,000 streams wait, as it should.
    model = {"name": MODEL, "url": f"http://127.0.0.1:{upstream}/v1", "capacity": 4096}
    environment = {
        "CHAPPE_DATA_DIR": str(folder / "chappe"),
        "CHAPPE_HOST": "127.0.0.1",
        "CHAPPE_MODELS": json.dumps([model]),
        "CHAPPE_EMBEDDED_CHAT": "false",
        "CHAPPE_EMBEDDED_ENCODER": "false",
        "CHAPPE_LOG_LEVEL": "warning",
        "PORT": str(port),
        "PYTHONPATH": str(source / "src"),
    }

    def run(*arguments: str) -> str:
        return _run([sys.executable, "-m", "chappe", *arguments], environment, folder)

    key = run("key", "create", "--name", "bench").split()[-1]
    configure_limits(run)
    return Peer("chappe", port, COMMAND, environment, key, folder / "chappe.log")


def configure_limits(run: Callable[..., str]) -> None:
    """Set limits that refuse nothing here, yet are counted at each request.

    Args:
        run: runs `chappe ARGUMENTS…` on the benchmark's data folder and gives what it printed.

    Raises:
        Unavailable: a limit is refused.
    """
    for subject in ("organisation:default", f"model:{MODEL}"):
        for quantity in ("requests", "tokens"):
            run("limit", "set", subject, quantity, "1000000000", "--per", "minute")


def _installed(name: str, requirement: str) -> str:
    """Path of the program `name` in a virtual environment kept for the next run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chappe-bench"
    folder = cache / requirement.replace("==", "-").replace("[", "-").replace("]", "")
    done = folder / "installed"
    if not done.exists():
        print(f"installing {requirement} in {folder}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(folder / "bin" / "pip"), "install", "--quiet", requirement])
        done.touch()
    return str(folder / "bin" / name)


def _environment(changes: dict[str, str]) -> dict[str, str]:
    # What the caller's shell says to Chappe must not change what is measured.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CHAPPE_") and k != "PORT"}
    return kept | changes


def _run(
    command: list[str], environment: dict[str, str] | None = None, folder: Path | None = None
) -> str:
    try:
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            env=_environment(environment or {}),
            cwd=folder,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        raise Unavailable(f"{' '.join(command)}: {told.strip()[-1500:]}") from None
    return done.stdout


def settle(peer: Peer, seconds: float = 15.0) -> None:
    """Wait until the peer is idle again, so that what it still does isn't charged to the next one.

    One that goes on working for nobody (LiteLLM, after its clients have left) is restarted.
    """
    if not peer.running:
        return
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = peer.tree.gateway_seconds
        time.sleep(0.25)
        if peer.tree.gateway_seconds - before <= 0.05:
            return
    print(f"{peer.name} is still busy {seconds:g} s later: restarted", file=sys.stderr, flush=True)
    peer.stop()
    with contextlib.suppress(Unavailable):
        peer.start()
