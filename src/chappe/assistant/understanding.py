"""What a question of a conversation asks: whole, in parts, in which language, at which date."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chappe.assistant.conversation import Follows, Turn, standalone
from chappe.assistant.dates import asked_date
from chappe.assistant.language import AnswerLanguage, question_language
from chappe.assistant.questions import split_questions

DateOrigin = Literal["request", "question", "today"]


@dataclass(frozen=True, slots=True)
class ChosenCase:
    """What the reader answered to a clarification: a case of a document, or all of it."""

    document: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it comes in.

    ``date``: the day whose law is asked; ``None``: what the question says, or today.
    """

    text: str
    turns: Sequence[Turn] = ()
    collections: Sequence[str] | None = None
    model: str | None = None
    language: AnswerLanguage | None = None
    date: datetime.date | None = None
    case: ChosenCase | None = None


@dataclass(slots=True)
class Understood:
    """What is searched.

    ``parts``: one query for each question asked. ``alone``: the question without what was carried
    over, where it may open a topic of its own. ``by``: what made it whole. ``refused``: why what
    the model wrote wasn't used. ``date_words``: what was read of a time, even where no date was
    taken from it.
    """

    whole: str
    parts: tuple[str, ...]
    follows: Follows
    by: Literal["rules", "model"]
    topic: str
    alone: str
    language: AnswerLanguage | None
    date: datetime.date
    date_origin: DateOrigin
    date_words: str | None
    refused: str | None = None
    model_wanted: bool = field(default=False)

    def view(self) -> dict[str, Any]:
        """As the event `search` tells it."""
        return {
            "question": self.whole,
            "queries": list(self.parts),
            "follows": self.follows == "yes",
            "by": self.by,
            "refused": self.refused,
            "date": self.date.isoformat(),
            "date_origin": self.date_origin,
            "date_words": self.date_words,
        }


def understand(question: Question, today: datetime.date) -> Understood:
    """Understand a question by rules alone."""
    message = split_questions(question.text)
    turns = list(question.turns)
    first = standalone(message.questions[0], turns)
    language = question_language(question.text)
    parts = [first.text]
    if len(message.questions) > 1:
        for asked in message.questions[1:]:
            # The second question of a message follows from the first one, made whole.
            turn = Turn(message.questions[0], searched=first.text)
            later = standalone(asked, [turn])
            parts.append(later.text if later.follows == "yes" else asked)
    if message.context:
        parts = [f"{message.context} {part}" for part in parts]
    whole = parts[0] if len(parts) == 1 else " ".join(parts)
    date, origin, words = _date(question, today)
    return Understood(
        whole,
        tuple(parts),
        first.follows,
        "rules",
        first.topic,
        question.text,
        language,
        date,
        origin,
        words,
        model_wanted=bool(turns) or language not in (None, "fr"),
    )


def rewritten(understood: Understood, text: str) -> Understood:
    """The same, with the whole question as a model wrote it."""
    message = split_questions(text)
    parts = [f"{message.context} {part}".strip() for part in message.questions]
    follows: Follows = "yes" if understood.follows != "no" else "no"
    return Understood(
        text,
        tuple(parts),
        follows,
        "model",
        understood.topic,
        understood.alone,
        understood.language,
        understood.date,
        understood.date_origin,
        understood.date_words,
    )


def _date(question: Question, today: datetime.date) -> tuple[datetime.date, DateOrigin, str | None]:
    asked = asked_date(question.text, today)
    words = asked.words if asked else None
    if question.date is not None:
        return question.date, "request", words
    if asked is not None:
        return (asked.date, "question", words) if asked.date else (today, "today", words)
    for turn in reversed(question.turns):
        # « Et en 2019 ? » holds for what follows, until another date is asked.
        before = asked_date(turn.question, today)
        if before is not None and before.date is not None:
            return before.date, "question", before.words
    return today, "today", None
