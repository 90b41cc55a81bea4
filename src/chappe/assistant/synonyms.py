"""Words that may stand for one another in official French, so that a faithful paraphrase counts.

The groups, of our own writing, are the lines of synonyms.txt. They aren't transitive: a word of two
groups is like the words of each, and those of the one are not like those of the other. A group
gathers what may be exchanged in a sentence about rights and procedures without changing who may do
what, when and at what price; words that oppose (`lexicon.OPPOSITES`) never share one. Words are
compared by stem or concept.
"""

from functools import cache
from importlib import resources

from chappe.assistant.lexicon import CONCEPT_OF
from chappe.assistant.stems import stem

_ROOT = 6


def _key(word: str) -> str:
    return CONCEPT_OF.get(word) or stem(word, "fr")


@cache
def _alike() -> dict[str, frozenset[str]]:
    """Like keys of each key, and of each long root."""
    found: dict[str, set[str]] = {}
    listed = resources.files("chappe.assistant").joinpath("synonyms.txt").read_text("utf-8")
    for line in listed.splitlines():
        keys = {_key(word) for word in line.split()}
        for key in keys:
            found.setdefault(key, set()).update(keys)
            if len(key) >= _ROOT and not key.isupper():
                found.setdefault(key[:_ROOT] + "-", set()).update(keys)
    return {key: frozenset(keys) for key, keys in found.items()}


def synonyms(key: str) -> frozenset[str]:
    """Keys (stems or concepts) that may stand for `key`, itself included."""
    known = _alike().get(key)
    if known is None and len(key) >= _ROOT:
        known = _alike().get(key[:_ROOT] + "-")
    return (known or frozenset()) | {key}
