"""Tells sentences that claim nothing (greetings, questions, headings, admissions) from claims."""

import re

from chappe.assistant.facts import find_facts
from chappe.assistant.terms import analyse

_GREETING = re.compile(
    r"(?:bonjour|bonsoir|salut|merci(?: beaucoup)?(?: pour votre question)?|bonne journée"
    r"|cordialement|bien sûr|d'accord|voici (?:la|une|ma) réponse"
    r"|voici ce que (?:disent|indiquent) les "
    r"(?:sources|passages)"
    r"|hello|hi|thanks?(?: you)?|sure|of course"
    r"|n'hésitez pas (?:à (?:me )?(?:poser|demander)[\w ']*)?"
    r"|j'espère que (?:cela|ceci) vous aide\w*)(?: (?:madame|monsieur|à vous|à tous))?",
    re.IGNORECASE,
)
_ADMISSION = re.compile(
    r"\b(?:je ne (?:sais|peux|trouve|dispose)\b.{0,40}\b(?:pas|aucune?)\b"
    r"|(?:sources?|passages?|documents?|extraits?|fiches?|textes?|informations?)\b[^.;:!?]{0,60}?"
    r"\b(?:ne|n')\s?(?:me )?(?:permet|contien|précis|mentionn|disent|dit|indiqu|donn|répond"
    r"|comport|fourni|traite|parle|suffi)\w*"
    r"|aucun(?:e)?(?: des)? (?:source|passage|document|extrait|information)s?\b"
    r"|i (?:do not|don't|cannot|can't) (?:know|answer|find)"
    r"|(?:sources?|passages?|documents?|excerpts?)\b[^.;:!?]{0,40}?\b(?:do|does) ?(?:not|n't) "
    r"(?:contain|say|mention|allow|provide|answer|give|specify)"
    r"|not enough information|pas assez d'informations?)",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"\b(?:mais|cependant|toutefois|néanmoins|pourtant|en revanche|par contre|or|however|but"
    r"|although|bien que|donc|par conséquent|et (?:il|elle|vous|le|la|les))\b",
    re.IGNORECASE,
)
_DECORATION = re.compile(r"^[^\w«\"]+|[^\w»\"?:)%€]+$")
_HEADING = re.compile(r"\s*(?:#{1,6}\s.*|\*\*[^*\n]+\*\*)\s*")


def is_admission(sentence: str) -> bool:
    """Whether the sentence only says that the sources do not answer."""
    plain = sentence.replace("\u2019", "'")
    return (
        _ADMISSION.search(plain) is not None
        and _TURN.search(plain) is None
        and not find_facts(plain)
    )


def is_neutral(sentence: str) -> bool:
    """Whether the sentence (markers taken out) claims nothing.

    Greetings, questions, headings and lines that introduce a list, without figures, negations or
    terms on which a claim turns (see `lexicon.CRITICAL`); and plain admissions of not knowing.
    """
    plain = sentence.replace("\u2019", "'").strip()
    bare = _DECORATION.sub("", plain)
    if not any(character.isalnum() for character in bare):
        return True
    parts = [part.strip() for part in re.split(r"[,!.]", bare) if any(map(str.isalnum, part))]
    if all(_GREETING.fullmatch(part) for part in parts):
        return True
    if is_admission(plain):
        return True
    analysis = analyse(plain)
    if analysis.facts or analysis.has_negation:
        return False
    if bare.rstrip('" »').endswith("?"):
        return True
    if any(term.required for term in analysis.terms):
        return False
    heading = _HEADING.fullmatch(plain) is not None
    return (heading or plain.rstrip("* _").endswith(":")) and len(bare) <= 160
