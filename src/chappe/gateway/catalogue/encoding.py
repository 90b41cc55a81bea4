"""How an embedding model wants its texts, and how far search may trust it.

Retrieval models are trained with a prefix on each side, and lose much without it; it follows from
the model's family, so it is known from the name (sources: the models' cards, 2024 to 2026).
"""

import re
from dataclasses import dataclass
from typing import Literal

Purpose = Literal["query", "passage"]

_TASK = "Given a web search query, retrieve relevant passages that answer the query"


@dataclass(frozen=True, slots=True)
class Encoding:
    """What precedes a text, and the model's share in hybrid search.

    Attributes:
        query_prefix, passage_prefix: written before each text.
        share: of the dense half in the fused score, 0 to 1; None where it wasn't measured.
    """

    query_prefix: str = ""
    passage_prefix: str = ""
    share: float | None = None

    def prefix(self, purpose: Purpose) -> str:
        """What precedes a text of this purpose."""
        return self.query_prefix if purpose == "query" else self.passage_prefix


# The first pattern found in a name, in lower case, decides. Shares were measured by
# benchmarks/retrieval.py on three sets of questions (docs/benchmarks.md).
_FAMILIES: tuple[tuple[str, Encoding], ...] = (
    (r"e5.*instruct", Encoding(f"Instruct: {_TASK}\nQuery: ")),
    (r"multilingual-e5-small", Encoding("query: ", "passage: ", 0.7)),
    (r"\be5\b|-e5-", Encoding("query: ", "passage: ")),
    (r"use-multilingual", Encoding(share=0.25)),
    (r"embeddinggemma", Encoding("task: search result | query: ", "title: none | text: ")),
    (r"nomic-embed", Encoding("search_query: ", "search_document: ")),
    (r"qwen3-embedding", Encoding(f"Instruct: {_TASK}\nQuery:")),
    (r"arctic-embed", Encoding("query: ")),
)
_OTHERS = Encoding()


def encoding(name: str) -> Encoding:
    """How the model of this name is used; without prefixes where its family isn't known."""
    lower = name.lower()
    return next((known for pattern, known in _FAMILIES if re.search(pattern, lower)), _OTHERS)
