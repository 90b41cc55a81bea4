"""A question of a conversation made whole by a model, and the check of what it wrote.

A model carries over what rules don't see. It also invents; so what it writes is used only if every
name, number and word of weight in it was said in the conversation.
"""

import re
from collections.abc import Sequence

from chappe.assistant.conversation import Turn, own_terms
from chappe.assistant.prompting import ChatMessage
from chappe.assistant.terms import analyse

MOST_TOKENS = 120
_LONGEST = 400
_TURNS = 6
_ANSWER_CHARS = 600
# Words of its own that a rewriting may have: what links the question to its topic.
_NEW_WORDS = 2

_LABEL = re.compile(r"^(?:dernière )?question(?: complète| réécrite)?\s*:\s*", re.IGNORECASE)
_INSTRUCTIONS = (
    "Tu réécris la dernière question d'une conversation en une seule question complète, en "
    "français, que l'on comprend sans la conversation.\n"
    "- Reprends les mots de la conversation. N'ajoute ni nom, ni nombre, ni condition.\n"
    "- Si la dernière question se comprend seule, recopie-la.\n"
    "- Si elle n'est pas en français, traduis-la.\n"
    "- Écris seulement la question."
)


def rewriting_messages(question: str, turns: Sequence[Turn]) -> tuple[ChatMessage, ...]:
    """The messages that ask a model for the whole question."""
    lines = []
    for turn in turns[-_TURNS:]:
        lines.append(f"Question : {' '.join(turn.question.split())}")
        if turn.answer:
            lines.append(f"Réponse : {' '.join(turn.answer.split())[:_ANSWER_CHARS]}")
    lines.append(f"Dernière question : {' '.join(question.split())}")
    return ChatMessage("system", _INSTRUCTIONS), ChatMessage("user", "\n".join(lines))


def accepted(written: str, question: str, turns: Sequence[Turn], *, translated: bool) -> str | None:
    """What a model wrote, if it can be used as the whole question; else `None`.

    One line, no longer than a question; its numbers and names are those of the conversation, and
    it keeps the words of the question. Of a translation the words can't be compared, only numbers
    and names.
    """
    text = _unwrapped(written)
    if not text or len(text) > _LONGEST or "\n" in text or not own_terms(text):
        return None
    said = "\n".join([question, *(f"{turn.question}\n{turn.answer}" for turn in turns)])
    told = analyse(said)
    rewritten = analyse(text)
    if set(re.findall(r"\d+", text)) - set(re.findall(r"\d+", said)):
        return None
    said_folded = said.casefold()
    for match in re.finditer(r"(?<=[\w,;:'’] )[A-ZÀ-Ý][\w-]+|(?<!^)\b[A-Z]{2,}\b", text):
        if match.group().casefold() not in said_folded:
            return None
    if translated:
        return text
    if any(not fact.is_in(told.facts) for fact in rewritten.facts):
        return None
    known = {term.key for term in told.terms}
    written_keys = {term.key for term in rewritten.terms}
    new = {t.key for t in rewritten.terms if not t.light} - known
    asked = {term.key for term in analyse(question).terms}
    kept = own_terms(question) <= written_keys and 2 * len(asked & written_keys) >= len(asked)
    return text if kept and len(new) <= _NEW_WORDS else None


def _unwrapped(written: str) -> str:
    text = written.strip()
    text = re.sub(
        r"^(?:(?:dernière )?question(?: complète| réécrite)?\s*:\s*)", "", text, flags=re.I
    )
    return text.strip('«»"“” \u00a0')
