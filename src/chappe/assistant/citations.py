"""Checks the citations of an answer against its numbered sources, sentence by sentence.

Pure and deterministic, no model is asked. A citation is `checked` only when one exact span of the
cited passage (one or a few neighbouring sentences or lines) carries the words of the claim, all of
its figures, its quotations to the letter and the same negations. What is not certain is failed,
with its reason.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from chappe.assistant.claims import is_admission, is_neutral
from chappe.assistant.evidence import PassageIndex, Support, TermRarity
from chappe.assistant.markers import (
    Group,
    Marker,
    Quotation,
    Span,
    cut_clauses,
    cut_groups,
    find_markers,
    find_quotations,
)
from chappe.assistant.matching import find_folded, fold
from chappe.assistant.sentences import SentenceSpan
from chappe.assistant.terms import analyse

Reason = Literal[
    "unknown_source",
    "quote_not_found",
    "found_elsewhere",
    "not_supported",
    "number_mismatch",
    "negation_mismatch",
    "partly_supported",
]
SentenceStatus = Literal["supported", "partly", "unsupported", "neutral"]

_SILENT = frozenset({"not_supported", "partly_supported"})
PARTLY_SCORE = 0.1
"""Probability from which a passage that contradicts nothing supports a sentence partly."""

_ELLIPSIS = re.compile(r"[\[(]\s*(?:…|\.\.\.)\s*[\])]|…|\.\.\.")
_LONGEST_SPAN = 800
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Source:
    """A numbered passage as the model was shown it.

    `text` is the passage's exact text. `context` (document title and headings) may carry the
    topic of a sentence, never the claim: at least 35 % of its weight must be in `text`.
    """

    number: int
    text: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class CitationCheck:
    """The verdict on one cited number. `start`, `end`: the marker's span in the answer.

    When checked: `span` in the source's text and `quote`, the exact text there. When failed:
    `reason`, and `found_in`, the number of the source that does say it, for "found_elsewhere".
    """

    number: int
    start: int
    end: int
    status: Literal["checked", "failed"]
    reason: Reason | None = None
    found_in: int | None = None
    span: Span | None = None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class SentenceCheck:
    """The verdict on one sentence of an answer; `start`, `end` in the answer.

    "partly": what it cites says a part of it, and contradicts none. `missing`: the words and
    figures of the sentence that what it cites doesn't have, in order; none when it is supported.
    """

    index: int
    start: int
    end: int
    status: SentenceStatus
    citations: tuple[CitationCheck, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Verdict:
    span: Span | None
    reason: Reason | None
    found_in: int | None = None
    missing: tuple[str, ...] = ()


def locate_quotation(quoted: str, source_text: str) -> Span | None:
    """Find a quotation in a source, to the letter save for typography; give its exact span.

    « […] » parts it into pieces that must follow one another. None when it isn't there.
    """
    return _locate(quoted, PassageIndex(source_text))


def _locate(quoted: str, passage: PassageIndex) -> Span | None:
    pieces = [fold(piece.strip().rstrip(".,;: ")).text for piece in _ELLIPSIS.split(quoted)]
    pieces = [piece for piece in pieces if piece]
    if not pieces:
        return None
    haystack = passage.folded
    position, first = 0, None
    for order, piece in enumerate(pieces):
        found = find_folded(haystack, piece, position)
        if found is None:
            return None
        if order and analyse(haystack.text[position : found[0]]).has_negation:
            return None
        first = found[0] if first is None else first
        position = found[1]
    if first is None:
        return None
    span = Span(*haystack.original_span(first, position))
    return span if span.end - span.start <= _LONGEST_SPAN else None


def _must_be_verbatim(quotation: Quotation) -> bool:
    return len(_WORD.findall(quotation.text)) >= 3 or bool(analyse(quotation.text).facts)


class CitationChecker:
    """Checks sentences against one fixed set of numbered sources (built once per answer)."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """Index `sources`; two with the same number are an error (ValueError)."""
        self._sources = {source.number: source for source in sources}
        if len(self._sources) != len(sources):
            raise ValueError("two sources have the same number")
        self._passages = {
            source.number: PassageIndex(source.text, source.context) for source in sources
        }
        self._rarity = TermRarity(self._passages.values())

    def check(self, answer: str, sentence: SentenceSpan) -> SentenceCheck:
        """Check the sentence answer[sentence.start:sentence.end]."""
        markers = find_markers(answer, sentence.start, sentence.end)
        claim = _blank_markers(answer, sentence.start, sentence.end, markers)
        if not markers:
            status: SentenceStatus = "neutral" if is_neutral(claim) else "unsupported"
            return self._result(sentence, status, ())
        groups = cut_groups(claim, sentence.start, markers)
        judged = [(group, *self._check_group(claim, sentence.start, group)) for group in groups]
        if len(groups) > 1 and not all(covered for _, _, covered in judged):
            whole = Group(sentence.start, sentence.end, markers)
            verdicts, covered = self._check_group(claim, sentence.start, whole)
            if covered:
                judged = [(whole, verdicts, True)]
        checks = tuple(
            self._citation(marker, n, verdicts[n])
            for group, verdicts, _ in judged
            for marker in group.markers
            for n in marker.numbers
        )
        if is_admission(claim):
            return self._result(sentence, "neutral", checks)
        lacking = [verdicts.values() for _, verdicts, covered in judged if not covered]
        missing = tuple(
            dict.fromkeys(word for verdicts in lacking for word in _least_missing(verdicts))
        )
        if not lacking:
            return self._result(sentence, "supported", checks)
        partly = all(
            any(verdict.reason == "partly_supported" for verdict in verdicts)
            or (len(lacking) < len(judged) and all(v.reason in _SILENT for v in verdicts))
            for verdicts in lacking
        )
        return self._result(sentence, "partly" if partly else "unsupported", checks, missing)

    def claim(self, answer: str, sentence: SentenceSpan) -> str:
        """A sentence without its markers."""
        markers = find_markers(answer, sentence.start, sentence.end)
        return _blank_markers(answer, sentence.start, sentence.end, markers).strip()

    def text(self, number: int) -> str:
        """The text of a source."""
        return self._sources[number].text

    def _result(
        self,
        sentence: SentenceSpan,
        status: SentenceStatus,
        checks: tuple[CitationCheck, ...],
        missing: tuple[str, ...] = (),
    ) -> SentenceCheck:
        return SentenceCheck(sentence.index, sentence.start, sentence.end, status, checks, missing)

    def _citation(self, marker: Marker, number: int, verdict: _Verdict) -> CitationCheck:
        if verdict.span is None:
            return CitationCheck(
                number, marker.start, marker.end, "failed", verdict.reason, verdict.found_in
            )
        quote = self._sources[number].text[verdict.span.start : verdict.span.end]
        return CitationCheck(
            number, marker.start, marker.end, "checked", span=verdict.span, quote=quote
        )

    def _check_group(
        self, claim: str, offset: int, group: Group
    ) -> tuple[dict[int, _Verdict], bool]:
        """Judge each number that a group cites; tell whether the group's claim is covered."""
        text = claim[group.start - offset : group.end - offset]
        quotations = find_quotations(text)
        known = [number for number in group.numbers() if number in self._passages]
        verdicts = {number: self._support(text, quotations, number) for number in known}
        covered = any(verdict.span is not None for verdict in verdicts.values())
        if known and not covered:
            joint = self._joint_support(text, quotations, known)
            covered = bool(joint)
            verdicts.update(joint)
        for number, verdict in verdicts.items():
            if verdict.span is None:
                verdicts[number] = self._elsewhere(text, quotations, number, verdict)
        unknown = _Verdict(None, "unknown_source")
        return {n: verdicts.get(n, unknown) for n in group.numbers()}, covered

    def _support(self, text: str, quotations: Sequence[Quotation], number: int) -> _Verdict:
        passage = self._passages[number]
        quoted: list[Span] = []
        for quotation in quotations:
            if not _must_be_verbatim(quotation):
                continue
            span = _locate(quotation.text, passage)
            if span is None:
                return _Verdict(None, "quote_not_found")
            quoted.append(span)
        hull = _hull(quoted)
        rest = _blank_quotations(text, quotations) if quoted else text
        if hull is not None and not analyse(rest).facts and not _claims_words(rest):
            return self._quotation_alone(rest, passage, hull)
        must_hold = None if hull is None else (hull.start, hull.end)
        support = passage.support(analyse(text), self._rarity, must_hold)
        if isinstance(support, Support):
            return _Verdict(Span(support.start, support.end), None)
        partly = support.failure == "not_supported" and support.score >= PARTLY_SCORE
        return _Verdict(
            None,
            "partly_supported" if partly else support.failure,
            missing=tuple(text[start:end] for start, end in support.missing),
        )

    def _quotation_alone(self, rest: str, passage: PassageIndex, hull: Span) -> _Verdict:
        """A quotation with nothing of weight around it, save perhaps a negation."""
        if analyse(rest).has_negation or passage.is_denied_at(hull.start, hull.end):
            return _Verdict(None, "negation_mismatch")
        return _Verdict(hull, None)

    def _joint_support(
        self, text: str, quotations: Sequence[Quotation], numbers: Sequence[int]
    ) -> dict[int, _Verdict]:
        """Support of each clause of a sentence by one of its sources; empty unless complete."""
        clauses = cut_clauses(text, quotations, verbless=len(numbers) > 1)
        if len(clauses) < 2:
            return {}
        spans: dict[int, list[Span]] = {}
        for start, end in clauses:
            piece = text[start:end]
            found = [
                (number, verdict.span)
                for number in numbers
                if (verdict := self._support(piece, find_quotations(piece), number)).span
            ]
            if not found:
                return {}
            for number, span in found:
                if span is not None:
                    spans.setdefault(number, []).append(span)
        verdicts: dict[int, _Verdict] = {}
        for number, parts in spans.items():
            hull = _hull(parts)
            if hull is None or hull.end - hull.start > _LONGEST_SPAN:
                return {}
            verdicts[number] = _Verdict(hull, None)
        return verdicts

    def _elsewhere(
        self, text: str, quotations: Sequence[Quotation], number: int, verdict: _Verdict
    ) -> _Verdict:
        for other in self._passages:
            if other != number and self._support(text, quotations, other).span is not None:
                return _Verdict(None, "found_elsewhere", other, verdict.missing)
        if verdict.reason == "quote_not_found":
            verbatim = [q.text for q in quotations if _must_be_verbatim(q)]
            for other, passage in self._passages.items():
                if other != number and all(_locate(quoted, passage) for quoted in verbatim):
                    return _Verdict(None, "found_elsewhere", other, verdict.missing)
        return verdict


def check_answer(
    answer: str, sentences: Iterable[SentenceSpan], sources: Sequence[Source]
) -> tuple[SentenceCheck, ...]:
    """Check every sentence of a finished answer."""
    checker = CitationChecker(sources)
    return tuple(checker.check(answer, sentence) for sentence in sentences)


def _blank_markers(answer: str, start: int, end: int, markers: Sequence[Marker]) -> str:
    """Give the sentence with its markers as spaces, so that offsets are kept."""
    claim = answer[start:end]
    for marker in markers:
        width = marker.end - marker.start
        claim = claim[: marker.start - start] + " " * width + claim[marker.end - start :]
    return claim


def _blank_quotations(text: str, quotations: Sequence[Quotation]) -> str:
    for quotation in quotations:
        if _must_be_verbatim(quotation):
            width = quotation.end - quotation.start
            text = text[: quotation.start] + " " * width + text[quotation.end :]
    return text


def _least_missing(verdicts: Iterable[_Verdict]) -> tuple[str, ...]:
    """What the source that says most of a claim lacks of it."""
    return min((verdict.missing for verdict in verdicts), key=len, default=())


def _claims_words(text: str) -> bool:
    return any(not term.light or term.required for term in analyse(text).terms)


def _hull(spans: Sequence[Span]) -> Span | None:
    if not spans:
        return None
    return Span(min(span.start for span in spans), max(span.end for span in spans))
