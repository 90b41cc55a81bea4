"""Reads the pairs: ours, from their recipe and the archives, or anyone's, from JSON lines."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sheets import Passage, read_passages

CHANGED = frozenset({"amount", "date", "duration", "number", "article", "negation"})
"""Edits of which every one has to be caught."""

_RECIPE = Path(__file__).with_name("pairs.txt")
_CHOICE = re.compile(r"\{([^{}]*)\}")
_SUPPORTED = frozenset({"supported", "true", "1", "yes", "entailment", "faithful", "paraphrase"})
_UNSUPPORTED = frozenset(
    {
        "unsupported",
        "not_supported",
        "not supported",
        "false",
        "0",
        "no",
        "contradiction",
        "neutral",
    }
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and a source; `supported`: whether the source says it.

    `group`: what the bootstrap draws (the sheet of the sentence). `half`: "development" or
    "held out"; "all" of a file of others.
    """

    sentence: str
    source: str
    supported: bool
    edit: str
    context: str = ""
    group: str = ""
    half: str = "all"


def expand(line: str) -> Iterator[tuple[str, str]]:
    """(edit, sentence) of a line of the recipe: the faithful one first, then one per alteration."""
    choices = [match.group(1).split("|") for match in _CHOICE.finditer(line)]
    pieces = _CHOICE.split(line)[::2]

    def join(texts: list[str]) -> str:
        return "".join(a + b for a, b in zip(pieces, [*texts, ""], strict=True))

    said = [choice[0] for choice in choices]
    yield "paraphrase", join(said)
    for index, choice in enumerate(choices):
        for alteration in choice[1:]:
            edit, _, text = alteration.partition(":")
            yield edit, join([*said[:index], text, *said[index + 1 :]])


def read_recipe(archives: Path) -> list[Pair]:
    """Our own pairs.

    Raises:
        SystemExit: an archive or a passage is absent; the message names it.
    """
    lines: list[tuple[tuple[str, str], str]] = []
    key, half = ("", ""), "development"
    halves: dict[tuple[str, str], str] = {}
    for line in _RECIPE.read_text("utf-8").splitlines():
        if line.startswith("== "):
            sheet, digest = line[3:].split()
            key = (sheet, digest)
            halves[key] = half
        elif line.startswith("==== "):
            half = line.strip("= ")
        elif line and not line.startswith("#"):
            lines.append((key, line))
    wanted = frozenset(sheet for (sheet, _), _ in lines)
    passages = {(p.sheet, p.digest): p for p in read_passages(archives, wanted)}
    missing = {key for key, _ in lines} - passages.keys()
    if missing:
        raise SystemExit(f"passages not found in the archives: {sorted(missing)}")
    own = {key: passages[key] for key, _ in lines}
    pairs: list[Pair] = []
    for key, line in lines:
        passage = own[key]
        for edit, sentence in expand(line.removeprefix("! ")):
            right = edit == "paraphrase"
            pairs.append(
                Pair(sentence, passage.text, right, edit, passage.context, key[0], halves[key])
            )
            if right and not line.startswith("! "):
                other = _nearest(
                    sentence, passage, [p for k, p in own.items() if halves[k] == halves[key]]
                )
                pairs.append(
                    Pair(
                        sentence,
                        other.text,
                        False,
                        "wrong source",
                        other.context,
                        key[0],
                        halves[key],
                    )
                )
    return pairs


def _nearest(sentence: str, passage: Passage, passages: list[Passage]) -> Passage:
    """The passage of another sheet of the half that shares most words with the sentence."""
    words = _words(sentence)
    others = [other for other in passages if other.sheet != passage.sheet]
    return max(others, key=lambda other: (len(words & _words(other.text)), other.digest))


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


def read_file(path: Path) -> list[Pair]:
    """Pairs of a file of JSON lines: `sentence`, `source`, `label`, `edit`; `context` if there is.

    Raises:
        SystemExit: a line can't be read; the message says which and why.
    """
    pairs: list[Pair] = []
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            label = str(item["label"]).strip().lower()
            sentence, source = str(item["sentence"]), str(item["source"])
        except (ValueError, TypeError, KeyError) as error:
            raise SystemExit(f"{path}, line {number}: {error!r}; see docs/benchmarks.md") from error
        if label not in _SUPPORTED | _UNSUPPORTED:
            raise SystemExit(f"{path}, line {number}: label {label!r} is neither supported nor not")
        group = hashlib.sha256(source.encode()).hexdigest()[:12]
        pairs.append(
            Pair(
                sentence,
                source,
                label in _SUPPORTED,
                str(item.get("edit") or "none"),
                str(item.get("context") or ""),
                group,
            )
        )
    return pairs
