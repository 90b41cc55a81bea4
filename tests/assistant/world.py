"""A small world to ask questions in: documents of our own making, and a model that says what a
test wants it to say."""

import datetime as dt
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

import support
from chappe.assistant.conversation import Turn
from chappe.assistant.service import Assistant
from chappe.assistant.understanding import Question
from chappe.core.database import Database
from chappe.core.settings import ModelSettings, Settings
from chappe.gateway import Gateway
from chappe.identity.access import PAGE, Actor
from chappe.knowledge.document import DocumentBuilder, SourceDocument
from chappe.knowledge.search import Search
from chappe.knowledge.sources.archive import SourceItem
from chappe.knowledge.synchronise import ensure_collection, synchronise

Event = tuple[str, dict[str, Any]]


def document(
    name: str,
    title: str,
    *blocks: tuple[str, str] | tuple[str, str, int],
    kind: str = "fiche",
    valid: tuple[dt.date, dt.date | None] | None = None,
) -> SourceDocument:
    """A document made of (kind, text[, level]) blocks."""
    builder = DocumentBuilder()
    for block in blocks:
        builder.add(*block)
    body, made = builder.build()
    start, end = valid or (None, None)
    return SourceDocument(
        name, kind, title, f"https://example.test/{name}", dt.date(2026, 1, 1), None, (), body,
        made, {"number": name}, start, end,
    )  # fmt: skip


def item(made: SourceDocument, version: str | None = None) -> SourceItem:
    """A document as a source gives it."""
    digest = hashlib.sha256(f"{made.text}{version}".encode()).hexdigest()
    return SourceItem(made.external_id, digest, lambda: made, version)


CARD = document(
    "carte",
    "Carte nationale d'identité",
    ("heading", "Pièces à fournir", 1),
    ("case", "Pour un majeur", 2),
    ("paragraph", "Le majeur apporte une photo d'identité récente et un justificatif de domicile de"
     " moins d'un an. La carte d'identité d'un majeur est valable quinze ans."),
    ("case", "Pour un mineur", 2),
    ("paragraph", "Le mineur apporte une photo d'identité récente et la carte d'identité du parent"
     " qui l'accompagne. La carte d'identité d'un mineur est valable dix ans."),
    ("heading", "Coût", 1),
    ("paragraph", "La carte d'identité est gratuite. En cas de perte ou de vol, son"
     " renouvellement coûte 25 €."),
)  # fmt: skip
LEAVE = document(
    "conge",
    "Congé de paternité",
    ("paragraph", "Le congé de paternité dure vingt-cinq jours calendaires. Le salarié prévient son"
     " employeur au moins un mois avant."),
    ("heading", "Montants", 1),
    ("row", "Situation | Durée du congé"),
    ("row", "Naissance simple | 25 jours"),
    ("row", "Naissances multiples | 32 jours"),
)  # fmt: skip
OLD_LAW = document(
    "L100-1", "Article L100-1",
    ("paragraph", "Le délai de réponse de l'administration est de quatre mois."),
    kind="article", valid=(dt.date(2000, 1, 1), dt.date(2014, 11, 12)),
)  # fmt: skip
LAW = document(
    "L100-1", "Article L100-1",
    ("paragraph", "Le délai de réponse de l'administration est de deux mois."),
    kind="article", valid=(dt.date(2014, 11, 12), None),
)  # fmt: skip


@dataclass
class World:
    """Everything that an answer needs. `model.script` is what the model says next."""

    database: Database
    gateway: Gateway
    search: Search
    assistant: Assistant
    model: support.ScriptedEndpoint

    async def load(self, slug: str, items: Sequence[SourceItem], *, level: int = 0) -> None:
        """Put documents in a public collection."""
        collection = await ensure_collection(self.database, slug, slug, "test")

        async def quiet(step: str, done: int, total: int | None) -> None:
            pass

        await synchronise(
            self.database, None, collection, items, total=None, complete=True, progress=quiet
        )
        async with self.database.session() as session:
            await session.execute(
                text("update collection set level = :level where slug = :slug"),
                {"level": level, "slug": slug},
            )

    async def ask(
        self, question: str, *, actor: Actor = PAGE, reader: str = "fr", **more: Any
    ) -> list[Event]:
        """The events of an answer."""
        more["turns"] = [
            turn if isinstance(turn, Turn) else Turn(turn) for turn in more.get("turns", ())
        ]
        retrieved = await self.assistant.retrieve(actor, Question(question, **more))
        return [event async for event in self.assistant.answer(actor, retrieved, reader, "r")]

    def told(self) -> str:
        """What the model was told last, whole."""
        messages: Any = self.model.requests[-1]["messages"]
        return "\n".join(message["content"] for message in messages)


def first(events: Sequence[Event], name: str) -> dict[str, Any]:
    """The data of the first event of a name."""
    return next(data for event, data in events if event == name)


def names(events: Sequence[Event]) -> list[str]:
    """The names of events, each run of one name once."""
    found: list[str] = []
    for name, _ in events:
        if found[-1:] != [name]:
            found.append(name)
    return found


@asynccontextmanager
async def world(
    database: Database,
    url: str,
    folder: Path,
    model: support.ScriptedEndpoint,
    citation_model: str | None = None,
) -> AsyncIterator[World]:
    """A world on a migrated database, with one model of the settings."""
    models = [ModelSettings(name="m", url=model.url)]
    settings = Settings(
        data_dir=folder, models=models, embedded_chat=False, embedded_encoder=False,
        probe_interval=30.0,
    )  # fmt: skip
    gateway = Gateway(settings, url)
    await gateway.start(())
    search = Search(database, gateway, 365)
    assistant = Assistant(database, search, gateway, citation_model)
    try:
        yield World(database, gateway, search, assistant, model)
    finally:
        await gateway.stop()
