"""What leads to a model by a name or an alias: replacements, fallbacks and limits. Pure.

No change may leave one that led somewhere without its model, nor add one that leads nowhere. What
led nowhere before is left alone, so that everything else can still be changed.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from chappe.core.errors import ChappeError
from chappe.gateway.catalogue.schemas import LimitSpec, ModelSpec

_SHOWN = 10


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A name that leads to a model.

    Attributes:
        place: where it stands, for people.
    """

    place: str
    name: str


@dataclass(frozen=True, slots=True)
class References:
    """All names and aliases of models, and all that leads to them."""

    names: frozenset[str]
    found: frozenset[Reference]

    @classmethod
    def of(
        cls, models: Iterable[ModelSpec], limits: Iterable[LimitSpec], configured: Iterable[str]
    ) -> "References":
        """Those of a catalogue.

        Args:
            configured: models of the settings, which the catalogue needn't have.
        """
        names, found = set(configured), set()
        for model in models:
            names |= {model.name, *model.aliases}
            if model.replacement is not None:
                found.add(Reference(f'model "{model.name}", replacement', model.replacement))
            found |= {Reference(f'model "{model.name}", fallbacks', n) for n in model.fallbacks}
        found |= {
            Reference(f'limit "{limit.name}", model', limit.model)
            for limit in limits
            if limit.model is not None
        }
        return cls(frozenset(names), frozenset(found))

    def lost(self) -> set[Reference]:
        """Those that lead nowhere."""
        return {reference for reference in self.found if reference.name not in self.names}


def check(before: References, after: References) -> None:
    """Does a change leave nothing leading nowhere that didn't before.

    Raises:
        ChappeError: `object_in_use` (409), a name went that others lead to; `unknown_reference`
            (422), one was given that leads nowhere.
    """
    lost = sorted(after.lost() - before.lost())
    if gone := [reference for reference in lost if reference in before.found]:
        names = ", ".join(sorted({reference.name for reference in gone}))
        users = "; ".join(dict.fromkeys(reference.place for reference in gone))
        raise ChappeError("object_in_use", 409, name=names, users=users)
    for reference in lost:
        known = suggestion(reference.name, after.names)
        raise ChappeError(
            "unknown_reference", 422, place=reference.place, name=reference.name, known=known
        )


def suggestion(name: str, known: Collection[str]) -> str:
    """The known name that a misspelt one is closest to; else the first of all of them."""
    if close := get_close_matches(name, sorted(known), 1):
        return close[0]
    more = ["…"] if len(known) > _SHOWN else []
    return ", ".join(sorted(known)[:_SHOWN] + more) or "–"
