"""From the words of all pages to a document: what PDFs and recognised images share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from chappe.knowledge.reading.assembly import Assembly
from chappe.knowledge.reading.hyphens import Vocabulary
from chappe.knowledge.reading.layout import Element, in_reading_order
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import Issue, Page, ReadDocument, ReadingError
from chappe.knowledge.reading.ocr import LOW_CONFIDENCE
from chappe.knowledge.reading.ruled import ruled_tables
from chappe.knowledge.reading.running import Running
from chappe.knowledge.reading.structure import Styles, drafts
from chappe.knowledge.reading.words import PageWords, Turn, Word, upright

_MAX_TITLE = 200


@dataclass(slots=True)
class Sources:
    """What a file tells besides its words."""

    name: str
    media_type: str
    title: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    outline: dict[str, int] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)


def compose(pages: Sequence[PageWords], sources: Sources, limits: Limits) -> ReadDocument:
    """Put the pages' words in order and write the document.

    Raises:
        ReadingError: `empty` when no page has a word and nothing else explains it.
    """
    styles, running, vocabulary = Styles(), Running(), Vocabulary()
    styles.set_outline(sources.outline)
    for page in pages:
        words = [word for word in page.words.unpack() if word.turn == 0]
        styles.add(words)
        running.collect(page.number, page.height, words)
        vocabulary.add(word.text for word in words)
    styles.settle()
    assembly = Assembly(vocabulary, limits.text_chars)
    written = [_write(page, assembly, styles, running) for page in pages]
    if not assembly.length:
        running = Running()  # pages that say nothing else say this
        written = [_write(page, assembly, styles, running) for page in pages]
    for index in range(len(written) - 1, 0, -1):
        # A hyphen at a page's end may have been taken back by the next page.
        end = min(written[index - 1].end, written[index].start)
        written[index - 1] = replace(written[index - 1], end=end)
    text, blocks, boxes, hidden = assembly.build()
    issues = list(sources.issues)
    if assembly.full:
        issues.append(Issue("truncated", loss=True))
    if not text and not any(issue.loss for issue in issues):
        raise ReadingError("empty")
    metadata = dict(sources.metadata)
    for key, texts in (
        ("running_headers", running.texts("top")),
        ("running_footers", running.texts("bottom")),
    ):
        if texts:
            metadata[key] = texts
    first = next((block for block in blocks if block.kind == "heading"), None)
    heading = (
        text[first.start : first.end] if first and first.end - first.start < _MAX_TITLE else ""
    )
    return ReadDocument(
        title=sources.title or heading or PurePath(sources.name).stem,
        media_type=sources.media_type,
        text=text,
        blocks=blocks,
        pages=tuple(written),
        boxes=boxes,
        metadata=metadata,
        issues=tuple(issues),
        hidden=hidden,
    )


def note_confidence(page: PageWords, issues: list[Issue]) -> None:
    """Say of a recognised page that nothing, or nothing certain, was found on it."""
    number = str(page.number)
    if not len(page.words):
        page.text, page.confidence = "empty", None
        issues.append(Issue("no_text", page.number, {"page": number}))
    elif page.confidence is not None and page.confidence < LOW_CONFIDENCE:
        percent = str(round(100 * page.confidence))
        issues.append(Issue("low_confidence", page.number, {"page": number, "confidence": percent}))


def _write(page: PageWords, assembly: Assembly, styles: Styles, running: Running) -> Page:
    """Write a page's blocks; gives its part of the text."""
    start: int | None = None
    for height, elements in _turned(page, running):
        assembly.begin_page(page.number, page.width, page.height)
        for draft in drafts(elements, styles, height, page.text == "ocr"):
            place = assembly.add(draft)
            if start is None:
                start = place
    end = assembly.length
    text = page.text if start is not None else "empty"
    start = end if start is None else start
    return Page(page.number, page.width, page.height, start, end, text, page.confidence)


def _turned(page: PageWords, running: Running) -> Iterator[tuple[float, list[Element]]]:
    """Words by the way they are turned, the most usual first, as if upright on a page so high."""
    groups: dict[Turn, list[Word]] = defaultdict(list)
    for word in page.words.unpack():
        groups[word.turn].append(upright(word, word.turn, page.width, page.height))
    for turn, words in sorted(groups.items(), key=lambda group: -len(group[1])):
        height = page.width if turn in (90, 270) else page.height
        if turn == 0:
            kept = running.without(height, words)
            tables, rest = ruled_tables(page.rules, kept)
            yield height, in_reading_order(rest, tables)
        else:
            yield height, in_reading_order(words)
