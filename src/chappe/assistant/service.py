"""Answering a question from the sources: retrieve, ask the model, check each citation as it comes.

The events and their fields are described in docs/reference/api.md.
"""

import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any, Literal

from chappe.assistant.citations import CitationCheck, CitationChecker, SentenceCheck, Source
from chappe.assistant.extracts import RankedPassage, choose_extracts
from chappe.assistant.prompting import PromptPassage, build_prompt
from chappe.assistant.sentences import SentenceSpan, SentenceStream
from chappe.core import telemetry
from chappe.core.errors import ChappeError
from chappe.gateway import Gateway, Model
from chappe.identity.access import Actor, require
from chappe.knowledge.schemas import Hit
from chappe.knowledge.search import Search

log = logging.getLogger(__name__)

Event = tuple[str, dict[str, Any]]
Language = Literal["fr", "en"]

PASSAGES = 8
EXTRACTS = 3
# A passage up to this length is shown whole: a list of documents to bring must not be cut.
WHOLE_EXTRACT = 1_000
# The question itself and the instructions must always fit.
_LEAST_PROMPT = 2_500


@dataclass(frozen=True)
class Retrieved:
    """A question, its numbered passages (from 1, in order), and the model that will answer."""

    question: str
    hits: Sequence[Hit]
    model: Model | None


class Assistant:
    """Answers questions with checked citations."""

    def __init__(self, search: Search, gateway: Gateway) -> None:
        self._search = search
        self._gateway = gateway

    async def retrieve(
        self,
        actor: Actor,
        question: str,
        collections: Sequence[str] | None = None,
        model: str | None = None,
    ) -> Retrieved:
        """Find the passages for a question.

        Raises:
            ChappeError: `scope_missing`, `unknown_model`, or as a search.
        """
        require(actor, "ask")
        catalogue = self._gateway.catalogue
        chosen = catalogue.find(model, "chat", actor) if model else catalogue.default("chat")
        result = await self._search(actor, question, collections, PASSAGES)
        return Retrieved(question, result.hits, chosen)

    async def answer(
        self, actor: Actor, retrieved: Retrieved, language: Language, request_id: str
    ) -> AsyncGenerator[Event, None]:
        """The events of an answer. Closing the iterator stops the generation."""
        began = time.perf_counter()
        yield "sources", {"sources": [_source(n, hit) for n, hit in _numbered(retrieved.hits)]}
        closing = _Closing(retrieved.model, request_id, began)
        if not retrieved.hits:
            yield closing.done("no_sources")
            return
        if retrieved.model is None:
            yield _extracts(retrieved, "no_model")
            yield closing.done("unsupported")
            return
        review = _Review(retrieved.hits)
        try:
            async with aclosing(
                self._generate(actor, retrieved, retrieved.model, language, review, closing)
            ) as events:
                async for event in events:
                    yield event
        except ChappeError as error:
            log.warning("answer_failed", extra={"reason": error.code})
            yield _extracts(retrieved, "engine_error")
            yield "error", error.problem(language, request_id)
            return
        status = review.status()
        if status == "unsupported":
            yield _extracts(retrieved, "unsupported")
        yield closing.done(status)

    async def _generate(
        self,
        actor: Actor,
        retrieved: Retrieved,
        model: Model,
        language: Language,
        review: "_Review",
        closing: "_Closing",
    ) -> AsyncGenerator[Event, None]:
        prompt = build_prompt(
            retrieved.question,
            [
                PromptPassage(
                    number,
                    hit.document.title,
                    tuple(hit.passage.heading_path),
                    hit.document.date,
                    hit.passage.text,
                )
                for number, hit in _numbered(retrieved.hits)
            ],
            language,
            max(model.prompt_chars, _LEAST_PROMPT + len(retrieved.question)),
        )
        messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
        async with self._gateway.chat(
            actor, model.name, messages, max_tokens=model.answer_tokens, temperature=0.1
        ) as stream:
            async for piece in stream.text():
                yield "token", {"text": piece}
                for event in review.feed(piece):
                    yield event
            closing.truncated = stream.finish_reason == "length"
            closing.account = stream.account
        for event in review.close():
            yield event


class _Review:
    """Checks the sentences of one answer as they are completed."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._hits = {number: hit for number, hit in _numbered(hits)}
        self._checker = CitationChecker(
            [Source(number, hit.passage.text, _context(hit)) for number, hit in _numbered(hits)]
        )
        self._stream = SentenceStream()
        self._answer = ""
        self._verdicts: list[str] = []

    def feed(self, piece: str) -> list[Event]:
        self._answer += piece
        return [self._judge(sentence) for sentence in self._stream.feed(piece)]

    def close(self) -> list[Event]:
        return [self._judge(sentence) for sentence in self._stream.close()]

    def status(self) -> str:
        """The answer's verdict: every claim supported, some, or none."""
        supported = self._verdicts.count("supported")
        if not supported:
            return "unsupported"
        return "partly_supported" if "unsupported" in self._verdicts else "supported"

    def _judge(self, sentence: SentenceSpan) -> Event:
        check = self._checker.check(self._answer, sentence)
        self._verdicts.append(check.status)
        telemetry.SENTENCES.labels(check.status).inc()
        return "sentence", self._view(check)

    def _view(self, check: SentenceCheck) -> dict[str, Any]:
        return {
            "index": check.index,
            "start": check.start,
            "end": check.end,
            "status": check.status,
            "citations": [self._citation(citation) for citation in check.citations],
        }

    def _citation(self, citation: CitationCheck) -> dict[str, Any]:
        hit = self._hits.get(citation.number)
        view = asdict(citation)
        view["document_id"] = str(hit.document.id) if hit else None
        view["passage_id"] = hit.passage.id if hit else None
        if hit and citation.span:
            offset = hit.passage.start
            view["span"] = {
                "start": citation.span.start + offset,
                "end": citation.span.end + offset,
            }
        return view


class _Closing:
    """What the last event tells."""

    def __init__(self, model: Model | None, request_id: str, began: float) -> None:
        self._model = model
        self._request_id = request_id
        self._began = began
        self.truncated = False
        self.account: Any = None

    def done(self, status: str) -> Event:
        usage = None
        if self.account is not None and self.account.tokens_origin == "engine":
            usage = {
                "prompt_tokens": self.account.tokens_in,
                "completion_tokens": self.account.tokens_out,
            }
        return "done", {
            "status": status,
            "truncated": self.truncated,
            "model": self._model.name if self._model else None,
            "weak": bool(self._model and self._model.weak),
            "usage": usage,
            "request_id": self._request_id,
            "duration_ms": round((time.perf_counter() - self._began) * 1000),
        }


def _numbered(hits: Sequence[Hit]) -> list[tuple[int, Hit]]:
    return list(enumerate(hits, start=1))


def _context(hit: Hit) -> str:
    return "\n".join((hit.document.title, *hit.passage.heading_path))


def _source(number: int, hit: Hit) -> dict[str, Any]:
    return {"number": number, **hit.model_dump(mode="json")}


def _extracts(retrieved: Retrieved, reason: str) -> Event:
    """The best official extracts, word for word, with their place in the document."""
    passages = [
        RankedPassage(number, str(hit.document.id), hit.passage.text, _context(hit))
        for number, hit in _numbered(retrieved.hits)
    ]
    extracts = []
    for extract in choose_extracts(retrieved.question, passages, EXTRACTS):
        hit = retrieved.hits[extract.number - 1]
        start, end = extract.start, extract.end
        if len(hit.passage.text) <= WHOLE_EXTRACT:
            start, end = 0, len(hit.passage.text)
        extracts.append(
            {
                "number": extract.number,
                "document": hit.document.model_dump(mode="json"),
                "passage": hit.passage.model_dump(mode="json"),
                "start": hit.passage.start + start,
                "end": hit.passage.start + end,
                "text": hit.passage.text[start:end],
            }
        )
    return "extracts", {"reason": reason, "extracts": extracts}
