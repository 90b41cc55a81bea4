"""What a child of the reading process does with one file."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from chappe.knowledge.reading import confinement, detect, exchange, formats, progress
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import Issue, ReadDocument, ReadingError


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read into ``folder``, or a page of it, from 1, to draw ``width`` pixels wide."""

    path: str
    name: str
    folder: str
    limits: Limits
    page: int | None = None
    width: int = 0


def run(job: Job, report: int) -> None:
    """Do the job and leave the answer in its folder; ``report`` takes a byte for each page."""
    progress.report_to(report)
    try:
        answer = _answer(job)
    except ReadingError as error:
        answer = exchange.Answer(code=error.code, values=error.values)
    except MemoryError:
        confinement.make_room()
        answer = exchange.Answer(code="too_much_memory")
    except RecursionError:
        answer = exchange.Answer(code="broken", values={"reason": "nesting"})
    except Exception:
        print(traceback.format_exc(limit=-8), file=sys.stderr)
        answer = exchange.Answer(code="crashed")
    exchange.write(answer, Path(job.folder))


def _answer(job: Job) -> exchange.Answer:
    path, limits = Path(job.path), job.limits
    if path.stat().st_size > limits.file_bytes:
        raise ReadingError("too_large", limit=limits.file_bytes >> 20)
    found = detect.media_type(path, job.name)
    if job.page is not None:
        drawer = formats.drawer(found)
        return exchange.Answer(image=drawer.draw(path, job.page, job.width, limits))
    result = formats.reader(found).read(path, job.name, limits, Path(job.folder))
    if result.document is None and not result.members:
        raise ReadingError("empty")
    return exchange.Answer(
        document=result.document and _checked(result.document, job.name, found, limits),
        members=tuple(result.members),
        module=formats.READERS[found],
    )


def _checked(document: ReadDocument, name: str, found: str, limits: Limits) -> ReadDocument:
    if len(document.text) > limits.text_chars:
        raise ReadingError("too_long", limit=limits.text_chars)
    if detect.misnamed(name, found):
        suffix = PurePosixPath(name).suffix
        issue = Issue("wrong_extension", values={"extension": suffix, "type": found})
        document = replace(document, issues=(issue, *document.issues))
    return document
