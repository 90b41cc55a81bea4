"""Small worlds of passages, and the formula's answer for each."""

import datetime as dt
from collections import Counter

from hypothesis import strategies as st

from chappe.knowledge.index import bm25
from chappe.knowledge.index.bm25 import Text
from chappe.knowledge.index.lexical import PassageTerms
from chappe.knowledge.index.rows import RowKey, Scope
from chappe.knowledge.index.terms import pack

TODAY = dt.date(2026, 11, 24)
WORDS = [f"w{i}" for i in range(12)]

words = st.lists(st.sampled_from(WORDS), max_size=12)
days = st.none() | st.integers(-3, 3).map(lambda n: TODAY + dt.timedelta(days=n))
keys = st.builds(
    RowKey,
    passage=st.just(0),
    version=st.integers(1, 5),
    collection=st.integers(1, 3),
    kind=st.sampled_from(["fiche", "article", "file"]),
    media_type=st.sampled_from(["", "text/html", "application/pdf"]),
    date=days,
    valid_from=days,
    valid_to=days,
)
texts = st.builds(Text, words, words)
passages = st.tuples(keys, texts)
some = st.none() | st.frozensets(st.integers(1, 5), max_size=4)
scopes = st.builds(
    Scope,
    collections=st.frozensets(st.integers(1, 4)),
    on=st.integers(-4, 4).map(lambda n: TODAY + dt.timedelta(days=n)),
    kinds=st.none() | st.frozensets(st.sampled_from(["fiche", "article", "other"])),
    media_types=st.none() | st.frozensets(st.sampled_from(["", "text/html", "x"])),
    since=days,
    until=days,
    versions=some,
)
queries = st.lists(st.sampled_from([*WORDS, "absent"]), max_size=6)
parameters = st.builds(
    bm25.Parameters,
    k1=st.floats(0.2, 3.0),
    body=st.builds(bm25.Field, weight=st.floats(0.1, 3), b=st.floats(0, 1)),
    context=st.builds(bm25.Field, weight=st.floats(0.1, 3), b=st.floats(0, 1)),
)


def to_index(key: RowKey, text: Text) -> PassageTerms:
    """A passage as the database would give it."""
    return PassageTerms(key, pack(text.body, text.context), len(text.body), len(text.context))


def visible(key: RowKey, scope: Scope) -> bool:
    """What a scope lets see, said one row at a time."""
    return (
        key.collection in scope.collections
        and (key.valid_from is None or key.valid_from <= scope.on)
        and (key.valid_to is None or key.valid_to > scope.on)
        and (scope.kinds is None or key.kind in scope.kinds)
        and (scope.media_types is None or key.media_type in scope.media_types)
        and (scope.since is None or (key.date is not None and key.date >= scope.since))
        and (scope.until is None or (key.date is not None and key.date <= scope.until))
        and (scope.versions is None or key.version in scope.versions)
    )


def weighted(query: list[str]) -> dict[str, float]:
    """The terms of a query and how often each is repeated."""
    return {term: float(count) for term, count in Counter(query).items()}
