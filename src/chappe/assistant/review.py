"""The sentences of one answer, each checked against its sources as soon as it is complete."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict
from typing import Any, Literal

from chappe.assistant.citations import CitationCheck, CitationChecker, SentenceCheck, Source
from chappe.assistant.claims import is_admission
from chappe.assistant.entailment import Entailment, check_with
from chappe.assistant.passage import Passage
from chappe.assistant.sentences import SentenceSpan, SentenceStream
from chappe.core import telemetry

Event = tuple[str, dict[str, Any]]
Verdict = Literal["supported", "partly_supported", "unsupported", "admitted"]


class Review:
    """Checks the sentences of one answer as they are completed."""

    def __init__(self, passages: Sequence[Passage], *, second_opinion: bool = False) -> None:
        self._passages = {passage.number: passage for passage in passages}
        self._checker = CitationChecker(
            [Source(passage.number, passage.shown, passage.context) for passage in passages]
        )
        self._stream = SentenceStream()
        self._checks: list[SentenceCheck] = []
        self._admitted = False
        self._second_opinion = second_opinion
        self._waiting: list[SentenceSpan] = []
        self.answer = ""

    def feed(self, piece: str) -> list[Event]:
        """Add what the model wrote; the events of sentences that are complete."""
        self.answer += piece
        return self._judge(self._stream.feed(piece))

    def close(self) -> list[Event]:
        """End the answer; the events of what remains."""
        return self._judge(self._stream.close())

    async def settle(self, entails: Entailment) -> AsyncGenerator[Event, None]:
        """The events of the sentences that wait for a model's opinion, asked once the answer is
        whole: its own endpoint may have room for one request only.

        Raises:
            ChappeError: the model can't be asked; `give_up` judges the rest.
        """
        while self._waiting:
            check = await check_with(self._checker, self.answer, self._waiting[0], entails)
            self._waiting.pop(0)
            yield self._keep(check)

    def give_up(self) -> list[Event]:
        """The events of the sentences that still wait, judged by rules alone."""
        waiting, self._waiting = self._waiting, []
        return [self._keep(self._checker.check(self.answer, sentence)) for sentence in waiting]

    def verdict(self) -> Verdict:
        """Of the whole answer: every claim supported, some, or none; or it only admits that the
        sources don't answer."""
        verdicts = [check.status for check in self._checks]
        if "supported" in verdicts or "partly" in verdicts:
            whole = not {"unsupported", "partly"} & set(verdicts)
            return "supported" if whole else "partly_supported"
        if self._admitted and "unsupported" not in verdicts:
            return "admitted"
        return "unsupported"

    def citations(self) -> list[dict[str, Any]]:
        """Every citation that was checked, in the order of the answer."""
        return [
            self._final(check, citation)
            for check in self._checks
            for citation in check.citations
            if citation.status == "checked" and citation.number in self._passages
        ]

    def _judge(self, sentences: Sequence[SentenceSpan]) -> list[Event]:
        events = []
        for sentence in sentences:
            check = self._checker.check(self.answer, sentence)
            if self._second_opinion and check.status == "partly":
                self._waiting.append(sentence)
            else:
                events.append(self._keep(check))
        return events

    def _keep(self, check: SentenceCheck) -> Event:
        self._checks.append(check)
        self._checks.sort(key=lambda each: each.index)
        self._admitted |= is_admission(self.answer[check.start : check.end])
        telemetry.SENTENCES.labels(check.status).inc()
        return "sentence", self._view(check)

    def _view(self, check: SentenceCheck) -> dict[str, Any]:
        view = asdict(check)
        view["citations"] = [self._citation(citation) for citation in check.citations]
        return view

    def _citation(self, citation: CitationCheck) -> dict[str, Any]:
        passage = self._passages.get(citation.number)
        view = asdict(citation)
        view["document_id"] = str(passage.hit.document.id) if passage else None
        view["passage_id"] = passage.hit.passage.id if passage else None
        view["version"] = passage.origin.version if passage else None
        view["page"] = None
        if passage and citation.span:
            offset = passage.hit.passage.start
            start, end = citation.span.start + offset, citation.span.end + offset
            view["span"] = {"start": start, "end": end}
            view["page"] = passage.origin.page(start)
        return view

    def _final(self, check: SentenceCheck, citation: CitationCheck) -> dict[str, Any]:
        passage = self._passages[citation.number]
        assert citation.span is not None
        offset = passage.hit.passage.start
        start = citation.span.start + offset
        origin = passage.origin
        return {
            "number": citation.number,
            "sentence": check.index,
            "state": check.status,
            "document": str(passage.hit.document.id),
            "title": passage.hit.document.title,
            "url": passage.hit.document.url,
            "version": origin.version,
            "version_id": origin.version_id,
            "valid_from": origin.valid_from.isoformat() if origin.valid_from else None,
            "valid_to": origin.valid_to.isoformat() if origin.valid_to else None,
            "passage": passage.hit.passage.id,
            "start": start,
            "end": citation.span.end + offset,
            "page": origin.page(start),
            "quote": citation.quote,
        }
