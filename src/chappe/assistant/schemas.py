"""What crosses the API of the assistant."""

import datetime
import uuid
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chappe.assistant.conversation import MOST_TURNS, Turn
from chappe.assistant.language import AnswerLanguage
from chappe.assistant.understanding import ChosenCase, Question


class TurnIn(BaseModel):
    """An earlier question of the conversation, and what was answered."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=1, max_length=2000, pattern=r"\S")
    answer: str = Field("", max_length=20_000)
    searched: str = Field(
        "", max_length=1000, description="`question` of its event `search`, where it is known"
    )
    documents: list[uuid.UUID] = Field(
        default_factory=list, max_length=20, description="documents that were cited, best first"
    )


class CaseIn(BaseModel):
    """What the reader chose of a clarification's `choices`."""

    model_config = ConfigDict(extra="forbid")

    document: uuid.UUID
    path: list[Annotated[str, Field(max_length=1000)]] = Field(
        default_factory=list, max_length=20, description="empty: the whole document"
    )


class AskRequest(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=1, max_length=2000, pattern=r"\S")
    turns: list[TurnIn] = Field(
        default_factory=list, max_length=MOST_TURNS, description="oldest first"
    )
    collections: list[str] | None = Field(None, max_length=100, description="slugs; none: all")
    model: str | None = Field(None, max_length=200, description="none: the first of the catalogue")
    language: AnswerLanguage | None = Field(
        None, description="of the answer; none: the question's, else the reader's"
    )
    date: datetime.date | None = Field(
        None, description="the day whose law is asked; none: the question's, else today"
    )
    case: CaseIn | None = Field(None, description="a choice of an earlier clarification")
    stream: bool | None = Field(
        None, description="none: events, unless `Accept` asks for `application/json`"
    )

    def read(self, titles: dict[uuid.UUID, str]) -> Question:
        """The question, with the titles of the documents that its turns name."""
        return Question(
            self.question,
            [
                Turn(
                    turn.question,
                    turn.answer,
                    tuple(titles[each] for each in turn.documents if each in titles),
                    turn.searched,
                )
                for turn in self.turns
            ],
            self.collections,
            self.model,
            self.language,
            self.date,
            ChosenCase(str(self.case.document), tuple(self.case.path)) if self.case else None,
        )
