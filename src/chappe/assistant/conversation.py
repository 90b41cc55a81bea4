"""A question of a conversation, made into one that can be understood alone.

Rules without any model. A question stands alone, or follows the one before in one of two ways: it
adds a condition to it (« Et pour un mineur ? »), or asks something else of the same topic
(« Combien ça coûte ? »). What was asked is kept in two parts, the lead (what is wanted to know)
and the topic (of what), so that each can change without the other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chappe.assistant.lexicon import OPPOSITES
from chappe.assistant.matching import plain_typography, strip_accents
from chappe.assistant.phrases import (
    AND,
    ASKED,
    BARE_NOUN,
    LEAD,
    LEAD_IN,
    OF_PERSON,
    POINTS_BACK,
    QUALIFIES,
    REPEATS,
    REWRITTEN,
    SHORT_LEAD,
)
from chappe.assistant.terms import analyse, detect_language

Follows = Literal["no", "perhaps", "yes"]

MOST_TURNS = 20
_LONGEST_TOPIC = 240
# A question with more words of its own says of what it asks.
_MOST_OWN = 8


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked, and what was answered (empty when that isn't known).

    ``titles``: of the documents that the answer cited, most cited first. ``searched``: the whole
    question that was searched then, where it is known.
    """

    question: str
    answer: str = ""
    titles: tuple[str, ...] = ()
    searched: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a conversation is about: what is wanted to know, and of what.

    ``whole``: the question as it was asked, where it stood alone.
    """

    lead: str
    topic: str
    whole: str = ""

    def text(self) -> str:
        """The question, whole."""
        if self.whole:
            return self.whole
        if not self.lead:
            return self.topic
        whole = f"{self.lead} ({self.topic})" if self.topic else self.lead
        return whole + question_mark(whole)


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question that needs no other to be understood.

    ``follows``: whether it follows from the turns before. ``perhaps``: it may as well open a topic
    of its own; whether the sources say something of both together decides (see
    ``retrieval``). ``topic``: what was carried over.
    """

    text: str
    follows: Follows
    topic: str = ""


def standalone(question: str, turns: Sequence[Turn]) -> Standalone:
    """Make a question of a conversation stand alone.

    What an earlier question was about is worked out from the ones before it in the same way. A
    question with a topic of its own is left as it is.
    """
    standing: Standing | None = None
    for turn in turns[-MOST_TURNS:]:
        standing = _next(turn.searched or turn.question, None if turn.searched else standing)[0]
        if turn.titles and not own_terms(standing.topic):
            standing = Standing(standing.lead, turn.titles[0])
    found, follows = _next(question, standing)
    if follows == "no" or standing is None:
        return Standalone(_clean(question), "no")
    return Standalone(found.text(), follows, standing.topic)


def _next(question: str, before: Standing | None) -> tuple[Standing, Follows]:
    """What a question is about after another one, and whether it follows from that one."""
    question = _clean(question)
    greeting = LEAD_IN.match(_folded(question))
    if greeting:
        question = question[greeting.end() :]
    if before is None or not (before.topic or before.lead):
        return _alone(question), "no"
    if not question:
        return before, "yes"
    joined = AND.match(_folded(question))
    rest = question[joined.end() :] if joined else question
    folded, bare = _folded(rest), rest.rstrip(" ?.!")
    own = own_terms(rest)
    few = len(own) <= 3
    repeats = REPEATS.match(folded)
    if repeats:
        return _qualified(before, bare[repeats.end() :]), "yes"
    if QUALIFIES.match(folded) and (joined or few):
        return _qualified(before, bare), "yes"
    if few and not joined and not _asks(folded) and len(rest.split()) <= 6:
        # « Mineur. », « un mineur »: the answer to a question of ours.
        return _qualified(before, bare), "yes"
    changed = Standing(bare, before.topic or before.lead)
    if not own or (few and (POINTS_BACK.search(folded) or BARE_NOUN.match(folded))):
        return changed, "yes"
    if joined and len(own) <= 2 and not _names(rest):
        return changed, "yes"
    if len(own) <= _MOST_OWN and not _names(rest):
        return changed, "perhaps"
    return _alone(rest), "no"


def _names(question: str) -> bool:
    """Whether a question names something in particular: an acronym, a proper name, a number."""
    analysis = analyse(question)
    named = any(
        term.required and question[term.start].isupper() and term.start > 0
        for term in analysis.terms
    )
    return named or any(fact.kind == "identifier" for fact in analysis.facts)


def _alone(question: str) -> Standing:
    rewritten = REWRITTEN.match(question)
    if rewritten:
        return Standing(rewritten["lead"], rewritten["topic"])
    bare = question.rstrip(" ?.!")
    folded = _folded(question)
    for pattern in (LEAD, SHORT_LEAD):
        lead = pattern.match(folded)
        # What is asked of the topic (« quel est le prix de ») may change; what names it may not.
        if lead and not own_terms(bare[: lead.end()]) and own_terms(bare[lead.end() :]):
            return Standing(bare[: lead.end()].strip(), bare[lead.end() :].strip(), question)
    return Standing("", bare, question)


def _qualified(before: Standing, condition: str) -> Standing:
    """The same question under one more condition, which takes the place of its opposite."""
    topic = _without_opposites(before.topic, condition)
    if OF_PERSON.match(_folded(f" {condition}")):
        shorter = topic[: m.start()] if (m := OF_PERSON.search(_folded(topic))) else topic
        topic = shorter if own_terms(shorter) else topic
    joiner = ", " if topic else ""
    topic = f"{topic}{joiner}{condition}"
    if len(topic) > _LONGEST_TOPIC:
        topic = f"{topic[: _LONGEST_TOPIC // 2].rsplit(' ', 1)[0]}, {condition}"[:_LONGEST_TOPIC]
    lead = before.lead
    return Standing(
        lead, topic, f"{lead} {topic}{question_mark(topic)}" if before.whole and lead else ""
    )


def _without_opposites(topic: str, condition: str) -> str:
    """Take out of a topic the condition that the new one replaces (« majeur » by « mineur »)."""
    new = {term.key for term in analyse(condition).terms}
    for group in OPPOSITES:
        named = new & group
        if not named:
            continue
        for term in reversed(analyse(topic).terms):
            if term.key in group and term.key not in named:
                start = _phrase_start(topic, term.start)
                topic = topic[:start].rstrip(" ,") + topic[term.end :]
    return topic.strip(" ,")


_LINKS = re.compile(
    r"(?:,?\s*(?:pour|d'un|d'une|de|du|des|chez|en cas de|quand on est|si (?:je suis|on est))?\s*"
    r"(?:un|une|le|la|les|l'|mon|ma|personne|enfant)?\s*)$"
)


def _phrase_start(topic: str, position: int) -> int:
    match = _LINKS.search(topic, 0, position)
    return match.start() if match else position


def _asks(folded: str) -> bool:
    return folded.rstrip().endswith("?") or bool(
        re.match(
            r"(?:comment|ou|quand|combien|pourquoi|qui|que|qu'|quoi|quel|est-ce|puis-je|peut-on|"
            r"dois-je|faut-il|how|what|where|when|who|which|why|can|do|does|is)\b",
            folded,
        )
    )


def own_terms(text: str) -> frozenset[str]:
    """The terms of a text that name something, and aren't what may be asked of anything."""
    return frozenset(
        term.key
        for term in analyse(text).terms
        if not term.light and strip_accents(text[term.start : term.end].lower()) not in ASKED
    )


def question_mark(text: str) -> str:
    """A question mark, as the language sets it."""
    return "?" if detect_language(text) == "en" else "\u00a0?"


def _clean(text: str) -> str:
    return " ".join(text.split())


def _folded(text: str) -> str:
    plain = plain_typography(text)
    folded = strip_accents(plain).lower()
    return folded if len(folded) == len(text) else plain.lower()
