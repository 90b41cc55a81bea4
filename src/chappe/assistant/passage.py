"""A numbered passage as it is used: what of it may be shown to a model, and where it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chappe.knowledge.injections import Attempt, find_attempts, masked, without_orders
from chappe.knowledge.provenance import Provenance
from chappe.knowledge.schemas import Hit

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage with its number in the answer.

    ``shown``: its text with what reads like an order to a model, what a reader doesn't see, and
    cases other than the reader's blanked; offsets are those of its text. ``attempts``: these
    orders, in offsets of the document's text.
    """

    number: int
    hit: Hit
    origin: Provenance
    shown: str
    attempts: tuple[Attempt, ...]

    @classmethod
    def of(
        cls, number: int, hit: Hit, origin: Provenance, beside: Sequence[Span] = ()
    ) -> "Passage":
        """The passage of a hit; ``beside``: spans of the document that aren't to be shown."""
        text, offset = hit.passage.text, hit.passage.start
        hidden = _inside(origin.hidden, hit)
        attempts = find_attempts(text, hidden)
        orders = [(attempt.start, attempt.end) for attempt in attempts]
        spans = [*hidden, *orders, *_inside(beside, hit)]
        return cls(
            number,
            hit,
            origin,
            masked(text, spans),
            tuple(Attempt(a.kind, a.start + offset, a.end + offset, a.quote) for a in attempts),
        )

    @property
    def title(self) -> str:
        """The document's title, without any order to a model."""
        return without_orders(self.hit.document.title)

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings above it, without any order to a model."""
        return tuple(filter(None, map(without_orders, self.hit.passage.heading_path)))

    @property
    def table_header(self) -> str:
        """The first row of the table that it begins inside of, without any order to a model."""
        return without_orders(self.origin.table_header)

    @property
    def context(self) -> str:
        """Title, headings and the header of its table: what carries its topic."""
        return "\n".join(filter(None, (self.title, *self.headings, self.table_header)))

    def view(self) -> dict[str, Any]:
        """As the event `sources` shows it."""
        view = self.hit.model_dump(mode="json")
        origin = self.origin
        view["number"] = self.number
        view["version"] = {
            "id": origin.version_id,
            "number": origin.version,
            "valid_from": origin.valid_from.isoformat() if origin.valid_from else None,
            "valid_to": origin.valid_to.isoformat() if origin.valid_to else None,
        }
        view["page"] = origin.page(self.hit.passage.start)
        view["suspected"] = bool(self.attempts)
        return view

    def warnings(self) -> list[dict[str, Any]]:
        """The orders found in it, as the event `warning` tells them."""
        return [
            {
                "code": "injection_suspected",
                "number": self.number,
                "document_id": str(self.hit.document.id),
                "version": self.origin.version,
                "kind": attempt.kind,
                "start": attempt.start,
                "end": attempt.end,
                "quote": attempt.quote,
            }
            for attempt in self.attempts
        ]


def _inside(spans: Sequence[Span], hit: Hit) -> list[Span]:
    """The parts of a document's spans that are in a passage, in offsets of its text."""
    first, last = hit.passage.start, hit.passage.end
    return [
        (max(start, first) - first, min(end, last) - first)
        for start, end in spans
        if start < last and end > first
    ]
