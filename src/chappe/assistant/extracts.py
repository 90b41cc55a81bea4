"""Chooses verbatim extracts that best answer a question, for when no answer can be supported."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from chappe.assistant.sentences import SentenceSpan, split_sentences
from chappe.assistant.terms import analyse, detect_language

_CONTEXT_SHARE = 0.5
_RANK_SHARE = 0.15
_WEAKEST = 0.35


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage in order of relevance (best first in its sequence).

    `document` tells documents apart (any stable name); `context` is its title and headings.
    """

    number: int
    document: str
    text: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class Extract:
    """A verbatim extract: `text` is exactly the passage's text at [start, end), code points."""

    number: int
    start: int
    end: int
    text: str
    score: float


def choose_extracts(
    question: str, passages: Sequence[RankedPassage], limit: int = 3, max_length: int = 600
) -> tuple[Extract, ...]:
    """Choose up to `limit` extracts of at most `max_length` characters, best first.

    An extract is a run of whole sentences or lines that carries most of the question's words; the
    line that introduces a list stays with its items. Passages are taken from different documents
    first. One extract is always given when there is a passage that isn't blank.
    """
    if limit < 1 or max_length < 1:
        raise ValueError("limit and max_length must be at least 1")
    indexed = [_Indexed(passage) for passage in passages if passage.text.strip()]
    weights = _weights(question, indexed)
    candidates = [
        item.best(weights, max_length, rank / len(indexed)) for rank, item in enumerate(indexed)
    ]
    ordered = sorted(zip(indexed, candidates, strict=True), key=lambda pair: -pair[1].score)
    chosen: list[Extract] = []
    seen: set[str] = set()
    later: list[Extract] = []
    for item, extract in ordered:
        if chosen and extract.score < _WEAKEST * chosen[0].score:
            break
        if item.passage.document in seen:
            later.append(extract)
            continue
        seen.add(item.passage.document)
        chosen.append(extract)
    for extract in later:
        if all(extract.text != other.text for other in chosen):
            chosen.append(extract)
    return tuple(sorted(chosen[:limit], key=lambda extract: -extract.score))


class _Indexed:
    def __init__(self, passage: RankedPassage) -> None:
        self.passage = passage
        language = detect_language(passage.text)
        self.units = split_sentences(passage.text)
        self.keys = [
            {term.key for term in analyse(passage.text[unit.start : unit.end], language).terms}
            for unit in self.units
        ]
        self.context = {term.key for term in analyse(passage.context, language).terms}

    def best(self, weights: dict[str, float], max_length: int, rank: float) -> Extract:
        """Give this passage's best extract; `rank` from 0 (best passage) to 1."""
        text = self.passage.text
        context = sum(weights[key] for key in weights.keys() & self.context)
        best_score, best_span = -1.0, (0, 0)
        for first in range(len(self.units)):
            found: set[str] = set()
            for last in range(first, len(self.units)):
                if self.units[last].end - self.units[first].start > max_length and last > first:
                    break
                found |= self.keys[last] & weights.keys()
                alone = sum(weights[key] for key in found)
                lines = last - first
                score = alone - 0.01 * lines
                if score > best_score:
                    best_score, best_span = score, (first, last)
        first, last = self._with_list(*best_span, max_length)
        start = self.units[first].start
        end = min(self.units[last].end, start + max_length)
        if end < self.units[last].end:
            cut = text.rfind(" ", start + 1, end + 1)
            end = cut if cut > start else end
        total = sum(weights.values()) or 1.0
        unseen = sum(
            weights[key]
            for key in (weights.keys() & self.context) - set().union(*self.keys[first : last + 1])
        )
        score = (best_score + _CONTEXT_SHARE * min(unseen, context)) / total
        score = max(score, 0.0) + _RANK_SHARE * (1 - rank)
        return Extract(self.passage.number, start, end, text[start:end], score)

    def _with_list(self, first: int, last: int, max_length: int) -> tuple[int, int]:
        """Add a list's introduction, its items, then neighbouring lines, while they fit."""
        introduction = self._introduction(first)
        if introduction is not None and self._length(introduction, last) <= max_length:
            first = introduction
        while (
            last + 1 < len(self.units)
            and self._length(first, last + 1) <= max_length
            and not self._introduces(last + 1)
            and (self._introduction(last + 1) is not None or self._same_line(last, last + 1))
        ):
            last += 1
        return first, last

    def _introduction(self, index: int) -> int | None:
        """The line ending in « : » that the line `index` is an item of, if any."""
        text = self.passage.text
        for before in range(index - 1, max(index - 20, -1), -1):
            if "\n\n" in text[self.units[before].end : self.units[before + 1].start]:
                return None
            if self._introduces(before):
                return before
        return None

    def _introduces(self, index: int) -> bool:
        unit: SentenceSpan = self.units[index]
        return self.passage.text[unit.start : unit.end].endswith(":")

    def _same_line(self, first: int, second: int) -> bool:
        return "\n" not in self.passage.text[self.units[first].end : self.units[second].start]

    def _length(self, first: int, last: int) -> int:
        return self.units[last].end - self.units[first].start


def _weights(question: str, passages: Sequence[_Indexed]) -> dict[str, float]:
    """Weigh the question's terms by their rarity over the sentences of all passages."""
    units = sum(len(item.units) for item in passages)
    frequency: Counter[str] = Counter()
    for item in passages:
        for keys in item.keys:
            frequency.update(keys)
    return {
        term.key: (0.4 if term.light else 1.0)
        * math.log(1 + (units + 1) / (1 + frequency[term.key]))
        for term in analyse(question).terms
    }
