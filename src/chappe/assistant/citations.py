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
from chappe.assistant.matching import find_folded, fold
from chappe.assistant.sentences import MARKER, SentenceSpan
from chappe.assistant.terms import analyse

Reason = Literal[
    "unknown_source",
    "quote_not_found",
    "found_elsewhere",
    "not_supported",
    "number_mismatch",
    "negation_mismatch",
]
SentenceStatus = Literal["supported", "unsupported", "neutral"]

_QUOTATION = re.compile(r"«([^»]*)»|“([^”]*)”|\"([^\"\n]*)\"")
_ELLIPSIS = re.compile(r"[\[(]\s*(?:…|\.\.\.)\s*[\])]|…|\.\.\.")
_CLAUSE_BREAK = re.compile(
    r"\s*(?:[;,]\s+(?:et|ou|mais|puis|ainsi que|and|but)?|\s(?:et|mais|puis|and|but)\s)\s*"
)
_MAX_RANGE = 10
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
class Span:
    """Half-open span in code points of the source's `text`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Marker:
    """A citation marker such as [1, 2]: its numbers and its span in the answer."""

    numbers: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Quotation:
    """Words between quotation marks: inner text and outer span (marks included) in the answer."""

    text: str
    start: int
    end: int


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
    """The verdict on one sentence of an answer; `start`, `end` in the answer."""

    index: int
    start: int
    end: int
    status: SentenceStatus
    citations: tuple[CitationCheck, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    """A stretch of a sentence and the markers that vouch for it."""

    start: int
    end: int
    markers: tuple[Marker, ...]

    def numbers(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(n for marker in self.markers for n in marker.numbers))


@dataclass(frozen=True, slots=True)
class _Verdict:
    span: Span | None
    reason: Reason | None
    found_in: int | None = None


def find_markers(text: str, start: int = 0, end: int | None = None) -> tuple[Marker, ...]:
    """Parse the citation markers of text[start:end]; spans are offsets in `text`."""
    stop = len(text) if end is None else end
    return tuple(
        Marker(_numbers(match.group("square") or match.group("wide")), match.start(), match.end())
        for match in MARKER.finditer(text, start, stop)
    )


def _numbers(written: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in re.split(r"[,;]", written):
        bounds = [int(bound) for bound in re.findall(r"\d+", part)]
        if len(bounds) == 2 and 0 < bounds[1] - bounds[0] < _MAX_RANGE:
            numbers.extend(range(bounds[0], bounds[1] + 1))
        else:
            numbers.extend(bounds)
    return tuple(dict.fromkeys(numbers))


def find_quotations(text: str, start: int = 0, end: int | None = None) -> tuple[Quotation, ...]:
    """Find the quotations of text[start:end]; spans are offsets in `text`."""
    stop = len(text) if end is None else end
    return tuple(
        Quotation(next(group for group in match.groups() if group is not None), *match.span())
        for match in _QUOTATION.finditer(text, start, stop)
    )


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
        groups = _groups(claim, sentence.start, markers)
        supported = True
        checks: list[CitationCheck] = []
        for group in groups:
            verdicts, covered = self._check_group(answer, claim, sentence.start, group)
            supported = supported and covered
            for marker in group.markers:
                checks.extend(self._citation(marker, n, verdicts[n]) for n in marker.numbers)
        if not supported and len(groups) > 1:
            whole = _Group(sentence.start, sentence.end, markers)
            verdicts, covered = self._check_group(answer, claim, sentence.start, whole)
            if covered:
                supported = True
                checks = [self._citation(m, n, verdicts[n]) for m in markers for n in m.numbers]
        if is_admission(claim):
            return self._result(sentence, "neutral", tuple(checks))
        return self._result(sentence, "supported" if supported else "unsupported", tuple(checks))

    def _result(
        self, sentence: SentenceSpan, status: SentenceStatus, checks: tuple[CitationCheck, ...]
    ) -> SentenceCheck:
        return SentenceCheck(sentence.index, sentence.start, sentence.end, status, checks)

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
        self, answer: str, claim: str, offset: int, group: _Group
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
        return _Verdict(None, support)

    def _quotation_alone(self, rest: str, passage: PassageIndex, hull: Span) -> _Verdict:
        """A quotation with nothing of weight around it, save perhaps a negation."""
        if analyse(rest).has_negation or passage.is_denied_at(hull.start, hull.end):
            return _Verdict(None, "negation_mismatch")
        return _Verdict(hull, None)

    def _joint_support(
        self, text: str, quotations: Sequence[Quotation], numbers: Sequence[int]
    ) -> dict[int, _Verdict]:
        """Support of each clause of a sentence by one of its sources; empty unless complete."""
        clauses = _clauses(text, quotations)
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
                return _Verdict(None, "found_elsewhere", other)
        if verdict.reason == "quote_not_found":
            verbatim = [q.text for q in quotations if _must_be_verbatim(q)]
            for other, passage in self._passages.items():
                if other != number and all(_locate(quoted, passage) for quoted in verbatim):
                    return _Verdict(None, "found_elsewhere", other)
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


def _claims_words(text: str) -> bool:
    return any(not term.light or term.required for term in analyse(text).terms)


def _groups(claim: str, offset: int, markers: Sequence[Marker]) -> list[_Group]:
    """Cut a sentence at its markers; each vouches for the stretch before it.

    A stretch without content words joins the next one, and what follows the last marker joins the
    last group.
    """
    groups: list[_Group] = []
    start, pending = offset, list[Marker]()
    for position, marker in enumerate(markers):
        pending.append(marker)
        following = markers[position + 1].start if position + 1 < len(markers) else None
        if following is not None:
            between = claim[marker.end - offset : following - offset]
            stretch = claim[start - offset : marker.start - offset]
            if not _has_content(between) or not _has_content(stretch):
                continue
            groups.append(_Group(start, marker.end, tuple(pending)))
            start, pending = marker.end, []
    groups.append(_Group(start, offset + len(claim), tuple(pending)))
    return groups


def _has_content(text: str) -> bool:
    analysis = analyse(text, "fr")
    return bool(analysis.facts) or any(not term.light for term in analysis.terms)


def _clauses(text: str, quotations: Sequence[Quotation]) -> list[tuple[int, int]]:
    """Cut at commas, semicolons and conjunctions, into clauses with some content each."""
    cuts = [
        match.end()
        for match in _CLAUSE_BREAK.finditer(text)
        if not any(q.start < match.end() and match.start() < q.end for q in quotations)
    ]
    clauses: list[tuple[int, int]] = []
    start = 0
    for cut in [*cuts, len(text)]:
        analysis = analyse(text[start:cut], "fr")
        weight = sum(not term.light for term in analysis.terms) + len(analysis.facts)
        if weight >= 3 or (cut == len(text) and weight >= 2):
            clauses.append((start, cut))
            start = cut
    if start < len(text) and clauses:
        clauses[-1] = (clauses[-1][0], len(text))
    return clauses


def _hull(spans: Sequence[Span]) -> Span | None:
    if not spans:
        return None
    return Span(min(span.start for span in spans), max(span.end for span in spans))
