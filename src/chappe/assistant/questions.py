"""Parts of a question that asks several things: each is searched for itself."""

import re
from dataclasses import dataclass

from chappe.assistant.conversation import own_terms, question_mark
from chappe.assistant.matching import plain_typography, strip_accents

MOST_PARTS = 3

_ASKING = (
    r"(?:comment|combien|quand|pourquoi|quoi|quel(?:le)?s?|qui|que|où|à quel(?:le)?s?|à qui|"
    r"dans quel(?:le)?s?|en combien|pour combien|pendant combien|auprès de qui|"
    r"est-ce que|est-ce qu'|puis-je|peut-on|dois-je|doit-on|faut-il|ai-je|y a-t-il|suis-je|"
    r"how|what|where|when|who|which|why|can i|do i|does|is it|is there|am i)"
)
_SENTENCE = re.compile(r"(?<=[?])\s+|(?<=[.!;])\s+(?=[A-ZÀÉÈÊÎÔ])|\n+")
_JOINED = re.compile(
    rf",?\s+(?:et|ou|puis|ainsi que|mais aussi|and|or)(?:\s+(?:aussi|enfin|ensuite|also))?\s+"
    rf"(?={_ASKING}(?:\b|(?<=')))"
    rf"|\s*[,;]\s+(?={_ASKING}(?:\b|(?<=')))",
    re.IGNORECASE,
)
_BEGINS = re.compile(rf"^(?:(?:et|mais|alors|donc|and)\s+)?{_ASKING}(?:\b|(?<='))", re.IGNORECASE)
_AFTER_STATING = re.compile(rf",\s+(?={_ASKING}\b)", re.IGNORECASE)
# « Je ne sais pas quand ni où… »: an interrogative after these words asks nothing of its own.
_SUBORDINATE = re.compile(
    r"\b(?:sav(?:oir|ez|oirs?)|sai[st]|dire|expliquer|indiquer|preciser|comprendre|know|tell)\b[^?]*$"
)


@dataclass(frozen=True, slots=True)
class Parts:
    """The questions of a message, in order, and what it states before asking."""

    context: str
    questions: tuple[str, ...]


def split_questions(text: str) -> Parts:
    """Cut a message into its questions (at most `MOST_PARTS`; what is beyond stays with the last).

    Several sentences that ask, or one that asks twice (« Quel est le prix et combien de temps
    faut-il ? »). A sentence that only states stands in `context`. One question is given back as it
    was written, and so is a message that asks nothing in so many words.
    """
    whole = " ".join(text.split())
    stated: list[str] = []
    asked: list[str] = []
    for sentence in _SENTENCE.split(text.strip()):
        sentence = " ".join(sentence.split())
        if not sentence:
            continue
        if sentence.endswith("?") or _BEGINS.match(plain_typography(sentence)):
            asked += _clauses(sentence)
        elif asked:
            asked[-1] = f"{asked[-1]} {sentence}"
        else:
            stated.append(sentence)
    if len(asked) < 2:
        return Parts("", (whole,))
    if len(asked) > MOST_PARTS:
        asked = [*asked[: MOST_PARTS - 1], " ".join(asked[MOST_PARTS - 1 :])]
    return Parts(" ".join(stated), tuple(asked))


def _clauses(sentence: str) -> list[str]:
    """The questions of one sentence."""
    plain = plain_typography(sentence)
    if not _asks_first(plain):
        return [sentence]
    parts: list[str] = []
    start = 0
    for match in _JOINED.finditer(plain):
        head, tail = sentence[start : match.start()], sentence[match.end() :]
        if not _BEGINS.search(_from_asking(plain[start : match.start()])):
            continue
        if not own_terms(head) or len(tail.split()) < 2 or _continues(head, tail):
            continue
        parts.append(head.rstrip(" ,;") + question_mark(head))
        start = match.end()
    last = sentence[start:]
    return [*parts, last[:1].upper() + last[1:] if parts else last]


def _asks_first(plain: str) -> bool:
    """Whether a sentence begins by asking, perhaps after a clause that states."""
    return _BEGINS.match(_from_asking(plain)) is not None


def _from_asking(plain: str) -> str:
    """A sentence without the clause that states before it asks (« Si je déménage, comment… »)."""
    stated = _AFTER_STATING.search(plain)
    return plain[stated.end() :] if stated and not _BEGINS.match(plain) else plain


def _continues(head: str, tail: str) -> bool:
    """Whether what follows « et » is no question: « qui travaille et qui habite seul »."""
    folded = strip_accents(plain_typography(head)).lower()
    word = strip_accents(tail.split()[0].lower())
    repeats = word in ("qui", "que", "quand", "ou", "who", "which", "when", "where")
    return _SUBORDINATE.search(folded) is not None or (repeats and word in folded.split()[1:])
