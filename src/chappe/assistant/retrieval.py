"""Finding the passages for a question: understood, searched part by part, and judged."""

import datetime
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chappe.assistant import answerability, clarify
from chappe.assistant.conversation import own_terms
from chappe.assistant.language import AnswerLanguage
from chappe.assistant.passage import Passage, Span
from chappe.assistant.rewriting import MOST_TOKENS, accepted, rewriting_messages
from chappe.assistant.understanding import ChosenCase, Question, Understood, rewritten, understand
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.gateway import Gateway, Model
from chappe.identity.access import Actor, require
from chappe.knowledge.provenance import (
    Extent,
    extent,
    outlines,
    passages_of,
    provenance,
    served_version,
)
from chappe.knowledge.schemas import DocumentSummary, Hit
from chappe.knowledge.search import Search

log = logging.getLogger(__name__)

PASSAGES = 8
_PASSAGES_OF_PART = {1: PASSAGES, 2: 5, 3: 4}
_OTHERS_BESIDE_A_CASE = 2
_CLOSEST = 5
# Chosen on questions of official sheets, asked after the title of their sheet or of another: see
# docs/explanation/answers.md.
_LEAST_OWN_COVERED = 0.5
_LEAST_TOPIC_COVERED = 0.5


@dataclass(frozen=True)
class Retrieved:
    """A question, its numbered passages (from 1, in order), and the model that will answer.

    ``answerable``: ``False`` when the sources don't hold the answer. ``choices``: what to ask the
    reader, where cases differ. ``level``: the sensitivity of the question with its passages.
    ``language``: the one to answer in, where it was said or the question tells it.
    """

    question: str
    understood: Understood
    passages: Sequence[Passage]
    model: Model | None
    level: int
    answerable: bool
    choices: Sequence[clarify.Choice]
    language: AnswerLanguage | None

    @property
    def closest(self) -> list[DocumentSummary]:
        """The documents of the passages, best first, each once."""
        found = {passage.hit.document.id: passage.hit.document for passage in self.passages}
        return list(found.values())[:_CLOSEST]


class Retriever:
    """Finds what an answer is made from, within what the actor may read."""

    def __init__(self, database: Database, search: Search, gateway: Gateway) -> None:
        self._database = database
        self._search = search
        self._gateway = gateway

    async def __call__(self, actor: Actor, question: Question) -> Retrieved:
        """Find the passages for a question.

        Raises:
            ChappeError: `scope_missing`, `unknown_model`, `not_found` or `unknown_case` (the case
                that was chosen), or as a search.
        """
        require(actor, "ask")
        model = self._model(actor, question.model)
        size = await extent(self._database, actor, question.collections)
        today = datetime.datetime.now(datetime.UTC).date()
        understood = understand(question, today)
        if understood.model_wanted and model is not None and not model.weak:
            understood = await self._rewrite(actor, question, understood, model, size)
            if understood.by == "model" and any(turn.answer for turn in question.turns):
                # It may hold words of earlier answers, and so of what they were made from.
                actor = replace(actor, level=max(actor.level, size.level))
        beside: list[Span] = []
        if question.case is not None:
            hits, beside = await self._of_case(actor, question, question.case, understood)
        else:
            understood, hits = await self._search_parts(actor, question, understood)
        passages = await self._with_provenance(actor, hits)
        if question.case is not None:
            passages = [_within_case(passage, question.case, beside) for passage in passages]
        choices = [] if question.case else await self._choices(actor, understood, passages)
        return Retrieved(
            question.text,
            understood,
            passages,
            model,
            max([actor.level, *(passage.origin.level for passage in passages)]),
            question.case is not None or self._answerable(understood, passages, size),
            choices,
            question.language or understood.language,
        )

    def _model(self, actor: Actor, name: str | None) -> Model | None:
        catalogue = self._gateway.catalogue
        if name:
            return catalogue.find(name, "chat", actor)
        return next((m for m in catalogue.visible(actor) if m.kind == "chat"), None)

    async def _rewrite(
        self, actor: Actor, question: Question, understood: Understood, model: Model, size: Extent
    ) -> Understood:
        """Have a model make the question whole. What earlier answers were made from isn't known:
        it may be of the highest level that could be searched."""
        messages = [
            {"role": m.role, "content": m.content}
            for m in rewriting_messages(question.text, question.turns)
        ]
        writer = replace(actor, level=max(actor.level, size.level))
        written = ""
        try:
            async with self._gateway.chat(
                writer, model.name, messages, max_tokens=MOST_TOKENS, temperature=0.0
            ) as stream:
                async for piece in stream.text():
                    written += piece
        except ChappeError as error:
            log.warning("rewriting_failed", extra={"reason": error.code})
            understood.refused = error.code
            return understood
        translated = understood.language not in (None, "fr")
        text = accepted(written, question.text, question.turns, translated=translated)
        if text is None:
            understood.refused = "not_of_the_conversation"
            return understood
        return rewritten(understood, text)

    async def _search_parts(
        self, actor: Actor, question: Question, understood: Understood
    ) -> tuple[Understood, list[Hit]]:
        hits = await self._merged(actor, question, understood.parts, understood.date)
        if understood.follows == "perhaps" and understood.by == "rules":
            if _says_both(understood, hits):
                understood.follows = "yes"
            else:
                alone = understand(replace(question, turns=()), understood.date)
                understood.whole, understood.parts = alone.whole, alone.parts
                understood.follows, understood.topic = "no", ""
                hits = await self._merged(actor, question, understood.parts, understood.date)
        return understood, hits

    async def _merged(
        self, actor: Actor, question: Question, queries: Sequence[str], date: datetime.date
    ) -> list[Hit]:
        """The hits of each query, taken in turn."""
        limit = _PASSAGES_OF_PART[len(queries)]
        found = [
            (await self._search(actor, query, question.collections, limit, date=date)).hits
            for query in queries
        ]
        if len(found) == 1:
            return found[0]
        merged: dict[int, Hit] = {}
        for rank in range(limit):
            for hits in found:
                if rank < len(hits):
                    merged.setdefault(hits[rank].passage.id, hits[rank])
        return list(merged.values())

    async def _of_case(
        self, actor: Actor, question: Question, case: ChosenCase, understood: Understood
    ) -> tuple[list[Hit], list[Span]]:
        """The passages of the case that the reader chose, then few of other documents; and the
        spans of the cases that it excludes."""
        version = await served_version(
            self._database, actor, _identifier(case.document), understood.date
        )
        outline = (await outlines(self._database, actor, [version])).get(version)
        start, end = 0, 2**31 - 1
        beside: list[Span] = []
        if case.path:
            groups = clarify.sibling_cases(outline) if outline else []
            group = next((g for g in groups if any(c.path == case.path for c in g)), None)
            if group is None:
                raise ChappeError("unknown_case", 422, case=" > ".join(case.path)[:200])
            chosen = next(c for c in group if c.path == case.path)
            start, end = chosen.start, chosen.end
            beside = [(c.start, c.end) for c in group if c is not chosen]
            understood.parts = tuple(f"{part} {chosen.label}" for part in understood.parts)
        own = await passages_of(self._database, self._search, actor, version, start, end)
        # The case's name is in the question from here on: it is as sensitive as its document.
        origins = await provenance(self._database, actor, [hit.passage.id for hit in own])
        level = max([actor.level, *(origin.level for origin in origins.values())])
        own.sort(key=lambda hit: -answerability.covers(understood.whole, _said(hit)))
        others = [
            hit
            for hit in await self._merged(
                replace(actor, level=level), question, understood.parts, understood.date
            )
            if str(hit.document.id) != case.document
        ]
        hits = [*own[: PASSAGES - _OTHERS_BESIDE_A_CASE], *others[:_OTHERS_BESIDE_A_CASE]]
        return hits, beside

    async def _with_provenance(self, actor: Actor, hits: Sequence[Hit]) -> list[Passage]:
        found = await provenance(self._database, actor, [hit.passage.id for hit in hits])
        kept = [hit for hit in hits if hit.passage.id in found]
        return [
            Passage.of(number, hit, found[hit.passage.id])
            for number, hit in enumerate(kept, start=1)
        ]

    async def _choices(
        self, actor: Actor, understood: Understood, passages: Sequence[Passage]
    ) -> list[clarify.Choice]:
        if not passages or len(understood.parts) > 1:
            return []
        best = passages[0].origin
        outline = (await outlines(self._database, actor, [best.version_id])).get(best.version_id)
        cases = {str(best.document_id): clarify.sibling_cases(outline)} if outline else {}
        found = [
            clarify.Found(
                str(p.hit.document.id), p.hit.document.title, p.hit.passage.start, p.hit.passage.end
            )
            for p in passages
        ]
        return clarify.choices(understood.whole, found, cases)

    def _answerable(
        self, understood: Understood, passages: Sequence[Passage], size: Extent
    ) -> bool:
        """Whether any of the questions asked has its answer in the passages, as far as is known.

        Of a question in another language, words say nothing.
        """
        if understood.by == "rules" and understood.language not in (None, "fr"):
            return bool(passages)
        texts = [passage.context + "\n" + passage.shown for passage in passages]
        similarities = [p.hit.scores.dense for p in passages if p.hit.scores.dense is not None]
        evidence = answerability.Evidence(texts, max(similarities, default=None))
        encoder = self._gateway.encoder
        logits = [
            answerability.logit(part, evidence, size.passages, encoder.name if encoder else None)
            for part in understood.parts
        ]
        return any(each is None or each >= answerability.LEAST_LOGIT for each in logits)


def _within_case(passage: Passage, case: ChosenCase, beside: Sequence[Span]) -> Passage:
    """A passage of the chosen document without what it says of the other cases."""
    if str(passage.hit.document.id) != case.document:
        return passage
    return Passage.of(passage.number, passage.hit, passage.origin, beside)


def _says_both(understood: Understood, hits: Sequence[Hit]) -> bool:
    """Whether one passage speaks of what was asked and of what was carried over."""
    own = own_terms(understood.alone)
    topic = answerability.question_weights(understood.topic)
    for hit in hits:
        keys = answerability.passage_keys(_said(hit))
        of_both = answerability.coverage(topic, keys) >= _LEAST_TOPIC_COVERED
        if of_both and len(own & keys) >= _LEAST_OWN_COVERED * len(own):
            return True
    return False


def _said(hit: Hit) -> str:
    return "\n".join((hit.document.title, *hit.passage.heading_path, hit.passage.text))


def _identifier(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ChappeError("not_found", 404) from None
