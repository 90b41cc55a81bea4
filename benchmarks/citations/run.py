"""How well citations are checked: `make bench-citations [PAIRS=file.jsonl] [ARCHIVES=folder]`.

Without a file: our own pairs over official sheets (pairs.txt), in two halves by sheet; the rules
were tuned on the development half only. With one: JSON lines with `sentence`, `source`, `label`
(supported or unsupported, or a boolean) and `edit`. The last line printed is JSON.
"""

import argparse
import json
import math
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pairs import CHANGED, Pair, read_file, read_recipe

from chappe.assistant.citations import Source, check_answer
from chappe.assistant.sentences import SentenceSpan
from chappe.core.settings import load_settings

ROUNDS = 2000
SEED = 20261124


def state(pair: Pair) -> str:
    """The state of the sentence when it cites its source."""
    body = pair.sentence.rstrip()
    stop = body[-1:] if body[-1:] in ".!?" else ""
    answer = f"{body.removesuffix(stop)} [1]{stop}"
    (check,) = check_answer(
        answer, [SentenceSpan(0, 0, len(answer))], [Source(1, pair.source, pair.context)]
    )
    return check.status


def wilson(successes: int, trials: int) -> list[float] | None:
    """The 95 % score interval of a proportion (Wilson 1927); None without trials."""
    if not trials:
        return None
    z = 1.96
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return [round((centre + sign * spread) / (1 + z * z / trials), 3) for sign in (-1, 1)]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def measure(pairs: Sequence[Pair], states: Sequence[str]) -> dict[str, Any]:
    """Precision and recall of "supported", and the share of changed facts that are caught.

    Intervals of precision and recall by bootstrap over sheets, of the caught share by Wilson.
    """
    cells: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for pair, found in zip(pairs, states, strict=True):
        cell = cells[pair.group]
        accepted = found == "supported"
        cell[0] += accepted and pair.supported
        cell[1] += accepted and not pair.supported
        cell[2] += pair.supported
    true, false, positives = (sum(cell[i] for cell in cells.values()) for i in range(3))
    changed = [s for p, s in zip(pairs, states, strict=True) if p.edit in CHANGED]
    caught = sum(found != "supported" for found in changed)
    precisions, recalls = _bootstrap(list(cells.values()))
    return {
        "precision": _share(true, true + false),
        "recall": _share(true, positives),
        "changed_caught": _share(caught, len(changed)),
        "n": len(pairs),
        "precision_ci95": precisions,
        "recall_ci95": recalls,
        "changed_caught_ci95": wilson(caught, len(changed)),
        "partly": sum(found == "partly" for found in states),
    }


def _bootstrap(cells: Sequence[Sequence[int]]) -> tuple[list[float], list[float]]:
    generator = random.Random(SEED)
    precisions, recalls = [], []
    for _ in range(ROUNDS):
        drawn = generator.choices(cells, k=len(cells))
        true, false, positives = (sum(cell[i] for cell in drawn) for i in range(3))
        if true + false:
            precisions.append(true / (true + false))
        if positives:
            recalls.append(true / positives)
    return _interval(precisions), _interval(recalls)


def _interval(values: list[float]) -> list[float]:
    values.sort()
    if not values:
        return []
    return [round(values[int(len(values) * share)], 3) for share in (0.025, 0.975)]


def show(name: str, pairs: Sequence[Pair], states: Sequence[str]) -> None:
    """Print how many of each edit were found supported, partly supported, not supported."""
    rows: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for pair, found in zip(pairs, states, strict=True):
        rows[f"{'+' if pair.supported else '-'} {pair.edit}"][found] += 1
    print(f"\n{name}\n{'edit':24}{'n':>6}{'supported':>11}{'partly':>9}{'not':>7}")
    for edit, row in sorted(rows.items()):
        total = sum(row.values())
        rest = total - row["supported"] - row["partly"]
        print(f"{edit:24}{total:6}{row['supported']:11}{row['partly']:9}{rest:7}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, help="JSON lines; none: our own pairs")
    parser.add_argument(
        "--archives",
        type=Path,
        help="folder of the archives of the sheets; none: the installation's, filled with npm",
    )
    parser.add_argument("--wrong", choices=["development", "held out", "all"], help="list errors")
    arguments = parser.parse_args()
    if arguments.pairs:
        pairs = read_file(arguments.pairs)
    else:
        pairs = read_recipe(arguments.archives or load_settings().data_dir / "bench" / "corpora")
    if not pairs:
        sys.exit("no pairs")
    began = time.perf_counter()
    states = [state(pair) for pair in pairs]
    seconds = time.perf_counter() - began
    halves = ["all"] if arguments.pairs else ["development", "held out", "all"]
    result: dict[str, Any] = {}
    for half in halves:
        chosen = [i for i, p in enumerate(pairs) if half in ("all", p.half)]
        some, found = [pairs[i] for i in chosen], [states[i] for i in chosen]
        show(half, some, found)
        result[half] = measure(some, found)
        if arguments.wrong == half:
            _list_errors(some, found)
    print(f"\n{1000 * seconds / len(pairs):.1f} ms a pair, its source indexed for it alone")
    print(json.dumps({**result.pop("all"), **({"halves": result} if result else {})}))


def _list_errors(pairs: Sequence[Pair], states: Sequence[str]) -> None:
    for pair, found in zip(pairs, states, strict=True):
        if (found == "supported") != pair.supported:
            print(f"[{pair.group}] {pair.edit}: {found}: {pair.sentence}")


if __name__ == "__main__":
    main()
