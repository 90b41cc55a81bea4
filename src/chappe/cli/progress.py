"""Progress on the terminal: a bar where there is one, else a line now and then."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

_STEPS = {
    "downloading": "téléchargement",
    "receiving": "réception",
    "listing": "parcours de la source",
    "reading": "lecture des documents",
    "indexing": "lecture et indexation",
    "embedding": "recherche par le sens",
}
_LINE_EVERY_SECONDS = 5.0


class LoadProgress:
    """Shows how far loads are; use it as a context manager."""

    def __init__(self, title: str = "") -> None:
        self._title = title
        console = Console(stderr=True)
        self._bars = (
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=console,
            )
            if console.is_terminal
            else None
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._last_line = 0.0
        self._last_step = ("", "")

    def __enter__(self) -> "LoadProgress":
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    async def update(self, step: str, done: int, total: int | None) -> None:
        """Show a step of the load named at creation."""
        self.show(self._title, step, done, total)

    def show(self, title: str, step: str, done: int, total: int | None) -> None:
        """Show a step of any load."""
        label = f"{title} : {_STEPS.get(step, step)}"
        if self._bars:
            key = (title, step)
            if key not in self._tasks:
                self._tasks[key] = self._bars.add_task(label, total=total)
            self._bars.update(self._tasks[key], completed=done, total=total)
            return
        now = time.monotonic()
        finished = total is not None and done >= total
        fresh = (title, step) != self._last_step
        if fresh or finished or now - self._last_line > _LINE_EVERY_SECONDS:
            self._last_line, self._last_step = now, (title, step)
            of = f"/{total}" if total is not None else ""
            print(f"{label} {done}{of}", file=sys.stderr, flush=True)
