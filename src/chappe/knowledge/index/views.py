"""What a search may see of a segment, kept for the next search of the same person."""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property

import numpy as np
import numpy.typing as npt

from chappe.knowledge.index.rows import Mask, Rows, Scope

_KEPT = 16


class View:
    """The rows of a segment that a scope lets see. ``mask``: None when it is all of them."""

    def __init__(self, rows: int, mask: Mask | None) -> None:
        self.mask = mask
        self.visible = rows if mask is None else int(np.count_nonzero(mask))
        self._all = rows
        self._sums: dict[str, int] = {}

    @cached_property
    def positions(self) -> npt.NDArray[np.intp]:
        """Positions of the visible rows."""
        return np.arange(self._all) if self.mask is None else np.flatnonzero(self.mask)

    def sum(self, name: str, lengths: npt.NDArray[np.uint16]) -> int:
        """Sum of the visible rows' lengths; ``name`` says which lengths these are."""
        if name not in self._sums:
            visible = lengths if self.mask is None else lengths * self.mask
            self._sums[name] = int(visible.sum(dtype=np.int64))
        return self._sums[name]


class Views:
    """The views of one segment that were last used."""

    def __init__(self) -> None:
        self._views: OrderedDict[Scope, View] = OrderedDict()

    def get(self, rows: Rows, alive: Mask | None, scope: Scope) -> View:
        """The view that `scope` gives; made when it isn't kept."""
        view = self._views.pop(scope, None)
        if view is None:
            view = View(len(rows), rows.mask(scope, alive))
        self._views[scope] = view
        while len(self._views) > _KEPT:
            try:
                self._views.popitem(last=False)
            except KeyError:  # another thread was quicker
                break
        return view
