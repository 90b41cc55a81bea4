"""What each row of the index is about: its passage, where it belongs, and when it holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]

_EARLIEST = np.iinfo(np.int32).min
_LATEST = np.iinfo(np.int32).max
_NO_DATE = _EARLIEST


@dataclass(frozen=True, slots=True)
class RowKey:
    """The attributes of one passage. ``valid_to`` is exclusive; None: without bound."""

    passage: int
    version: int
    collection: int
    kind: str
    media_type: str
    date: dt.date | None = None
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search may see. Each bound that is None doesn't bind; dates are inclusive.

    ``on``: the day whose law is asked for. ``versions``: of documents, by number.
    """

    collections: frozenset[int]
    on: dt.date
    kinds: frozenset[str] | None = None
    media_types: frozenset[str] | None = None
    since: dt.date | None = None
    until: dt.date | None = None
    versions: frozenset[int] | None = None


class Rows:
    """The attributes of n rows, one array of n numbers each.

    ``passage`` and ``version`` (of a document) are int64, ``collection`` int32; ``kind`` and
    ``media`` are positions in ``names``; ``date``, ``valid_from`` and ``valid_to`` count days
    (proleptic ordinals), with the extremes of int32 where there is none.
    """

    COLUMNS: Mapping[str, npt.DTypeLike] = {
        "passage": np.int64,
        "version": np.int64,
        "collection": np.int32,
        "kind": np.uint16,
        "media": np.uint16,
        "date": np.int32,
        "valid_from": np.int32,
        "valid_to": np.int32,
    }

    def __init__(self, columns: Mapping[str, npt.NDArray[Any]], names: Sequence[str]):
        self.columns = dict(columns)
        self.names = tuple(names)
        self.passage: Ids = self.columns["passage"]
        self.version: Ids = self.columns["version"]
        self.collection: npt.NDArray[np.int32] = self.columns["collection"]
        self._held = frozenset(np.unique(self.collection).tolist())
        self._always = bool(
            len(self.passage) == 0
            or (
                self.columns["valid_from"].max() == _EARLIEST
                and self.columns["valid_to"].min() == _LATEST
            )
        )
        increasing = bool(np.all(self.passage[1:] > self.passage[:-1]))
        self._order: Ids | None = None if increasing else np.argsort(self.passage)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.passage)

    @classmethod
    def of(cls, keys: Sequence[RowKey]) -> Rows:
        """Rows in the order given."""
        names: dict[str, int] = {}
        for key in keys:
            names.setdefault(key.kind, len(names))
            names.setdefault(key.media_type, len(names))
        values: dict[str, list[int]] = {
            "passage": [key.passage for key in keys],
            "version": [key.version for key in keys],
            "collection": [key.collection for key in keys],
            "kind": [names[key.kind] for key in keys],
            "media": [names[key.media_type] for key in keys],
            "date": [_day(key.date, _NO_DATE) for key in keys],
            "valid_from": [_day(key.valid_from, _EARLIEST) for key in keys],
            "valid_to": [_day(key.valid_to, _LATEST) for key in keys],
        }
        return cls(
            {name: np.array(values[name], dtype) for name, dtype in cls.COLUMNS.items()},
            list(names),
        )

    @classmethod
    def joined(cls, parts: Sequence[tuple[Rows, Mask]]) -> Rows:
        """The rows that each mask keeps, one part after the other."""
        names = {name: 0 for rows, _ in parts for name in rows.names}
        names = {name: place for place, name in enumerate(names)}
        columns: dict[str, npt.NDArray[Any]] = {}
        for column, dtype in cls.COLUMNS.items():
            pieces = []
            for rows, kept in parts:
                piece = rows.columns[column][kept]
                if column in ("kind", "media"):
                    codes = np.array([names[name] for name in rows.names], dtype)
                    piece = codes[piece]
                pieces.append(piece)
            columns[column] = np.concatenate(pieces) if pieces else np.empty(0, dtype)
        return cls(columns, list(names))

    def find(self, passages: Ids) -> Ids:
        """Positions of those of `passages` that are here, in no order."""
        if not len(self) or not len(passages):
            return np.empty(0, np.int64)
        at = np.searchsorted(self.passage, passages, sorter=self._order)
        at = np.minimum(at, len(self) - 1)
        if self._order is not None:
            at = self._order[at]
        found: Ids = at[self.passage[at] == passages]
        return found

    def mask(self, scope: Scope, alive: Mask | None) -> Mask | None:
        """Which rows a search may see; None: all of them."""
        masks = [] if alive is None else [alive]
        readable = self._held & scope.collections
        if not readable:
            return np.zeros(len(self), np.bool_)
        if readable != self._held:
            table = np.zeros(int(self.collection.max()) + 1, np.bool_)
            table[list(readable)] = True
            masks.append(table.take(self.collection))
        if not self._always:
            day = scope.on.toordinal()
            masks.append(self.columns["valid_from"] <= day)
            masks.append(self.columns["valid_to"] > day)
        masks.extend(self._filters(scope))
        if not masks:
            return None
        result = masks[0].copy() if masks[0] is alive else masks[0]
        for other in masks[1:]:
            result &= other
        return result

    def _filters(self, scope: Scope) -> Iterable[Mask]:
        for column, wanted in (("kind", scope.kinds), ("media", scope.media_types)):
            if wanted is not None:
                table = np.array([name in wanted for name in self.names], np.bool_)
                yield table.take(self.columns[column])
        date = self.columns["date"]
        if scope.since is not None:
            yield date >= scope.since.toordinal()
        if scope.until is not None:
            yield (date <= scope.until.toordinal()) & (date != _NO_DATE)
        if scope.versions is not None:
            yield np.isin(self.version, np.array(sorted(scope.versions), np.int64))


def _day(date: dt.date | None, otherwise: int) -> int:
    return otherwise if date is None else date.toordinal()
