"""When the sources tell cases apart and the question doesn't: what to ask the reader.

A sheet says one thing « Pour un majeur » and another « Pour un mineur »; sometimes these are two
sheets. A question that fits both can't be answered right without knowing which.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chappe.assistant.conversation import own_terms
from chappe.assistant.lexicon import OPPOSITES
from chappe.assistant.terms import TextAnalysis, analyse
from chappe.knowledge.provenance import Outline, OutlineBlock

MOST_CHOICES = 10
_FIRST_HITS = 5
# Ways of doing something, not situations of a person: the answer may tell them all.
_MANNER = re.compile(
    r"(?:en|par|sur|au|à|aux|via|avec)\s+(?:(?:la|le|les|l'|un|une)\s*)?"
    r"(?:ligne|internet|courrier|voie|place|téléphone|guichet|bureau|mairie|préfecture|e-?mail|"
    r"lettre|écrit|formulaire|smartphone|tablette|france ?connect|téléservice|carte bancaire|"
    r"chèque|espèces|virement|prélèvement|notaire|avocat|consulat|tribunal|agence|banque)\b.*",
    re.IGNORECASE,
)
_AGE = re.compile(r"\b\d{1,2} ans\b")
_SAME_SUBJECT = 0.6


@dataclass(frozen=True, slots=True)
class Case:
    """A case of a document.

    ``path``: labels of the cases and headings that enclose it, its own last, word for word. The
    span, of the document's text, holds its label and all that it says.
    """

    label: str
    path: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found, best first: the span of its document's text."""

    document: str
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader may answer: a case of a document, or a document as a whole (empty path)."""

    document: str
    path: tuple[str, ...]
    label: str


def sibling_cases(outline: Outline) -> list[list[Case]]:
    """The groups of cases that exclude one another, outermost first, in the text's order."""
    blocks = outline.blocks
    groups: dict[tuple[int, ...], list[tuple[Case, int]]] = {}
    order: list[tuple[int, ...]] = []
    enclosing: list[tuple[int, int, str]] = []  # level, index of the block, label
    for index, block in enumerate(blocks):
        if block.kind not in ("heading", "case"):
            continue
        while enclosing and enclosing[-1][0] >= block.level:
            enclosing.pop()
        label = block.label
        if block.kind == "case":
            key = (block.level, *(place for _, place, _ in enclosing))
            path = (*(above for _, _, above in enclosing), label)
            if key not in groups:
                order.append(key)
            end = _end_of(blocks, index, outline.length)
            groups.setdefault(key, []).append((Case(label, path, block.start, end), index))
        enclosing.append((block.level, index, label))
    found = [[case for case, _ in groups[key]] for key in sorted(order, key=len)]
    return [group for group in found if len(group) > 1]


def _end_of(blocks: Sequence[OutlineBlock], index: int, length: int) -> int:
    level = blocks[index].level
    for block in blocks[index + 1 :]:
        if block.kind in ("heading", "case") and block.level <= level:
            return block.start
        if block.within is not None and block.within < level:
            return block.start
    return length


def choices(
    question: str,
    found: Sequence[Found],
    cases: Mapping[str, Sequence[Sequence[Case]]],
) -> list[Choice]:
    """What to ask the reader before answering `question`; empty when nothing is to be asked.

    `found`: the passages, best first. `cases`: the groups of cases of each document of theirs.
    """
    if not found:
        return []
    asked = analyse(question, "fr")
    title = {term.key for term in analyse(found[0].title, "fr").terms if not term.light}
    if not own_terms(question) & title:
        return []  # the best passage is of another subject: its cases aren't the reader's
    sheets = _opposed_documents(asked, found[:_FIRST_HITS])
    if sheets:
        return sheets
    best = found[0]
    spans = [(f.start, f.end) for f in found[:_FIRST_HITS] if f.document == best.document]
    for group in cases.get(best.document, ()):
        if len(group) > MOST_CHOICES or not _differ(group, best, spans):
            continue
        if all(_MANNER.fullmatch(case.label.strip()) for case in group):
            continue
        if _tells_apart(asked, [case.label for case in group]):
            continue
        return [Choice(best.document, case.path, case.label) for case in group]
    return []


def _differ(group: Sequence[Case], best: Found, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether the best passage is what one case says, or the passages found are of several."""
    of_best = [case for case in group if case.start < best.end and best.start < case.end]
    touched = [
        case for case in group if any(case.start < end and start < case.end for start, end in spans)
    ]
    return bool(of_best) and (len(touched) > 1 or len(of_best) == 1)


def _tells_apart(asked: TextAnalysis, labels: Sequence[str]) -> bool:
    """Whether the question names one of the cases more than the others."""
    keys = [frozenset(term.key for term in analyse(label, "fr").terms) for label in labels]
    common = frozenset.intersection(*keys)
    named = {term.key for term in asked.terms} | _ages(asked)
    if named & {"CHILD"} and any("MINOR" in each for each in keys):
        named.add("MINOR")
    if named & {"ADULT", "MINOR", "CHILD"} and any(_AGE.search(label) for label in labels):
        return True
    facts = {str(fact.value) for fact in asked.facts}
    scores = [
        len((each - common) & named)
        + sum(str(fact.value) in facts for fact in analyse(label, "fr").facts)
        for each, label in zip(keys, labels, strict=True)
    ]
    return max(scores) > 0 and scores.count(max(scores)) < len(scores)


def _ages(asked: TextAnalysis) -> set[str]:
    """« 15 ans » tells a minor from an adult."""
    found = set()
    for fact in asked.facts:
        if fact.unit == "month" and re.search(r"\bans?\b", asked.text[fact.start : fact.end + 5]):
            years = float(str(fact.value)) / 12
            if years < 110:
                found.add("MINOR" if years < 18 else "ADULT")
    return found


def _opposed_documents(asked: TextAnalysis, found: Sequence[Found]) -> list[Choice]:
    """Sheets among the first that say the same of opposed persons (« d'un majeur », « d'un
    mineur »), where the question names neither."""
    titles = dict.fromkeys((f.document, f.title) for f in found)
    keys = {
        document: frozenset(term.key for term in analyse(title, "fr").terms)
        for document, title in titles
    }
    named = {term.key for term in asked.terms} | _ages(asked)
    if "CHILD" in named:
        named.add("MINOR")
    best = found[0].document
    for group in OPPOSITES:
        own = keys[best] & group
        if len(own) != 1 or named & group:
            continue
        opposed = [
            (document, title)
            for document, title in titles
            if document == best
            or (
                len(keys[document] & group) == 1
                and keys[document] & group != own
                and _alike(keys[document] - group, keys[best] - group)
            )
        ]
        if len(opposed) > 1:
            return [Choice(document, (), title) for document, title in opposed]
    return []


def _alike(left: frozenset[str], right: frozenset[str]) -> bool:
    """Jaccard's index of two sets of terms, compared with what two sheets of one subject have."""
    return len(left & right) >= _SAME_SUBJECT * max(1, len(left | right))
