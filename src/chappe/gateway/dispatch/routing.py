"""Which model: aliases, retired models, fallbacks. The choice of the endpoint comes after."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class ModelView:
    """What routing reads of a model of the catalogue: names only.

    Attributes:
        status: `retired` sends people to `replacement`.
        fallbacks: models to try in this order where this one can't answer.
    """

    name: str
    aliases: tuple[str, ...] = ()
    status: Literal["active", "deprecated", "retired"] = "active"
    replacement: str | None = None
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogueView:
    """Models by name, and names by alias. Build it with :meth:`of` when the catalogue changes."""

    models: Mapping[str, ModelView]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, models: tuple[ModelView, ...]) -> "CatalogueView":
        """The view of these models; a model's own name wins over another's alias."""
        aliases = {alias: model.name for model in models for alias in model.aliases}
        return cls({model.name: model for model in models}, aliases)


@dataclass(frozen=True, slots=True)
class Route:
    """The models to try, best first, and what the client should be told.

    Attributes:
        asked: the name in the request.
        models: names of the catalogue, without repetition; empty when nothing fits.
        replaced: the retired or deprecated model that was asked for, for the warning header.
    """

    asked: str
    models: tuple[str, ...]
    replaced: str | None = None


def resolve(name: str, catalogue: CatalogueView) -> Route:
    """The route of a request for `name`; a route with no model when it leads nowhere.

    A router that picks the model itself (the name `auto`) will be one more case here.
    """
    current = catalogue.models.get(name) or catalogue.models.get(catalogue.aliases.get(name, ""))
    replaced: str | None = None
    seen: set[str] = set()
    while current is not None and current.status == "retired":
        replaced = replaced or current.name
        if current.name in seen:
            return Route(name, (), replaced)
        seen.add(current.name)
        current = catalogue.models.get(current.replacement or "")
    if current is None:
        return Route(name, (), replaced)
    if current.status == "deprecated":
        replaced = replaced or current.name
    usable = [
        fallback
        for fallback in current.fallbacks
        if (model := catalogue.models.get(fallback)) is not None and model.status != "retired"
    ]
    return Route(name, tuple(dict.fromkeys([current.name, *usable])), replaced)
