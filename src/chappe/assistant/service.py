"""Answering a question from the sources: retrieve, ask the model, check each citation as it comes.

The events and their fields are described in docs/reference/api.md.
"""

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from chappe.assistant.clarify import Choice
from chappe.assistant.entailment import entailment_messages, read_opinion
from chappe.assistant.extracts import RankedPassage, choose_extracts
from chappe.assistant.prompting import PromptPassage, build_prompt
from chappe.assistant.retrieval import Retrieved, Retriever
from chappe.assistant.review import Event, Review
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.i18n import translate
from chappe.gateway import Gateway, Model
from chappe.identity.access import Actor
from chappe.knowledge.search import Search

log = logging.getLogger(__name__)

EXTRACTS = 3
# A passage up to this length is shown whole: a list of documents to bring must not be cut.
WHOLE_EXTRACT = 1_000
# The question itself and the instructions must always fit.
_LEAST_PROMPT = 3_000


class Assistant:
    """Answers questions with checked citations.

    Args:
        citation_model: a chat model asked whether a passage says what a sentence says, where words
            alone leave it open; none: words alone.
    """

    def __init__(
        self,
        database: Database,
        search: Search,
        gateway: Gateway,
        citation_model: str | None = None,
    ) -> None:
        self._gateway = gateway
        self._citation_model = citation_model
        self.retrieve = Retriever(database, search, gateway)

    async def answer(
        self, actor: Actor, retrieved: Retrieved, reader: str, request_id: str
    ) -> AsyncGenerator[Event, None]:
        """The events of an answer. Closing the iterator stops the generation.

        Args:
            reader: the reader's language, `fr` or `en`; the answer's own where its question tells
                none.
        """
        began = time.perf_counter()
        yield "search", retrieved.understood.view()
        yield "sources", {"sources": [passage.view() for passage in retrieved.passages]}
        for passage in retrieved.passages:
            for warning in passage.warnings():
                yield "warning", warning
        closing = _Closing(retrieved.model, request_id, began)
        if not retrieved.passages:
            yield closing.done("no_sources")
            return
        if not retrieved.answerable:
            yield _no_answer(retrieved)
            yield closing.done("no_answer")
            return
        if retrieved.choices:
            yield _clarification(retrieved.choices, reader)
        if retrieved.model is None:
            yield _extracts(retrieved, "no_model")
            yield closing.done("unsupported")
            return
        review = Review(retrieved.passages, second_opinion=self._citation_model is not None)
        try:
            async with aclosing(
                self._generate(actor, retrieved, retrieved.model, reader, review, closing)
            ) as events:
                async for event in events:
                    yield event
        except ChappeError as error:
            log.warning("answer_failed", extra={"reason": error.code})
            yield _extracts(retrieved, "engine_error")
            yield "error", error.problem(reader, request_id)
            return
        verdict = review.verdict()
        if verdict == "admitted" and not retrieved.model.weak:
            yield _no_answer(retrieved)
            yield closing.done("no_answer")
            return
        # A weak model that admits may not have understood: the extracts are shown all the same.
        status = "unsupported" if verdict == "admitted" else verdict
        if status == "unsupported":
            yield _extracts(retrieved, "unsupported")
        yield closing.done(status, review)

    async def _generate(
        self,
        actor: Actor,
        retrieved: Retrieved,
        model: Model,
        reader: str,
        review: Review,
        closing: "_Closing",
    ) -> AsyncGenerator[Event, None]:
        understood = retrieved.understood
        prompt = build_prompt(
            understood.whole,
            [
                PromptPassage(
                    passage.number,
                    passage.title,
                    passage.headings,
                    passage.hit.document.date,
                    passage.shown,
                    passage.origin.valid_from,
                    passage.origin.valid_to,
                    passage.table_header,
                )
                for passage in retrieved.passages
            ],
            retrieved.language or ("en" if reader == "en" else "fr"),
            max(model.prompt_chars, _LEAST_PROMPT + len(understood.whole)),
            law_date=understood.date if understood.date_origin != "today" else None,
        )
        messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
        cleared = replace(actor, level=retrieved.level)
        async with self._gateway.chat(
            cleared, model.name, messages, max_tokens=model.answer_tokens, temperature=0.1
        ) as stream:
            async for piece in stream.text():
                yield "token", {"text": piece}
                for event in review.feed(piece):
                    yield event
            closing.truncated = stream.finish_reason == "length"
            closing.account = stream.account
        for event in review.close():
            yield event
        if self._citation_model is not None:
            async for event in self._opinions(cleared, self._citation_model, review, closing):
                yield event

    async def _opinions(
        self, actor: Actor, model: str, review: Review, closing: "_Closing"
    ) -> AsyncGenerator[Event, None]:
        async def entails(claim: str, passage: str) -> bool:
            written = ""
            async with self._gateway.chat(
                actor, model, entailment_messages(claim, passage), max_tokens=20, temperature=0.0
            ) as stream:
                async for piece in stream.text():
                    written += piece
            return read_opinion(written)

        try:
            async with aclosing(review.settle(entails)) as events:
                async for event in events:
                    yield event
        except ChappeError as error:
            # The rules' own verdicts stand, and it is said that nobody else was heard.
            log.warning("second_opinion_failed", extra={"reason": error.code})
            closing.opinion = error.code
            for event in review.give_up():
                yield event

    async def whole(
        self, actor: Actor, retrieved: Retrieved, reader: str, request_id: str
    ) -> dict[str, Any]:
        """The whole answer at once, from the events that a stream would have."""
        whole: dict[str, Any] = {
            "question": retrieved.question,
            "answer": "",
            "sentences": [],
            "warnings": [],
            "extracts": None,
            "clarification": None,
            "closest": None,
            "citations": [],
            "error": None,
        }
        async with aclosing(self.answer(actor, retrieved, reader, request_id)) as events:
            async for name, data in events:
                if name == "token":
                    whole["answer"] += data["text"]
                elif name == "sentence":
                    whole["sentences"].append(data)
                elif name == "warning":
                    whole["warnings"].append(data)
                elif name == "sources":
                    whole["sources"] = data["sources"]
                elif name == "no_answer":
                    whole["closest"] = data["closest"]
                elif name == "error":
                    whole |= {"status": "error", "error": data}
                elif name == "done":
                    whole |= data
                else:
                    whole[name] = data
        return whole


class _Closing:
    """What the last event tells."""

    def __init__(self, model: Model | None, request_id: str, began: float) -> None:
        self._model = model
        self._request_id = request_id
        self._began = began
        self.truncated = False
        self.account: Any = None
        self.opinion: str | None = None

    def done(self, status: str, review: Review | None = None) -> Event:
        usage = None
        if self.account is not None and self.account.tokens_origin == "engine":
            usage = {
                "prompt_tokens": self.account.tokens_in,
                "completion_tokens": self.account.tokens_out,
            }
        return "done", {
            "status": status,
            "citations": review.citations() if review else [],
            "truncated": self.truncated,
            "model": self._model.name if self._model else None,
            "weak": bool(self._model and self._model.weak),
            "second_opinion_refused": self.opinion,
            "usage": usage,
            "request_id": self._request_id,
            "duration_ms": round((time.perf_counter() - self._began) * 1000),
        }


def _no_answer(retrieved: Retrieved) -> Event:
    """The documents nearest to a question that none of them answers: to look at, not an answer."""
    return "no_answer", {
        "closest": [document.model_dump(mode="json") for document in retrieved.closest]
    }


def _clarification(choices: Sequence[Choice], reader: str) -> Event:
    return "clarification", {
        "question": translate("answer.which_case", reader),
        "choices": [
            {"document": choice.document, "path": list(choice.path), "label": choice.label}
            for choice in choices
        ],
    }


def _extracts(retrieved: Retrieved, reason: str) -> Event:
    """The best official extracts, word for word, with their place in the document."""
    ranked = [
        RankedPassage(p.number, str(p.hit.document.id), p.shown, p.context)
        for p in retrieved.passages
    ]
    extracts = []
    for extract in choose_extracts(retrieved.understood.whole, ranked, EXTRACTS):
        passage = retrieved.passages[extract.number - 1]
        text, offset = passage.hit.passage.text, passage.hit.passage.start
        start, end = extract.start, extract.end
        # What was blanked is an order to a model, or unseen: no extract of the document shows it.
        if len(text) <= WHOLE_EXTRACT and passage.shown == text:
            start, end = 0, len(text)
        if passage.shown[start:end] != text[start:end]:
            continue
        extracts.append(
            {
                "number": extract.number,
                "document": passage.hit.document.model_dump(mode="json"),
                "passage": passage.hit.passage.model_dump(mode="json"),
                "version": passage.origin.version,
                "page": passage.origin.page(offset + start),
                "start": offset + start,
                "end": offset + end,
                "text": text[start:end],
            }
        )
    return "extracts", {"reason": reason, "extracts": extracts}
