"""Looking models up by name, alias and right."""

from collections.abc import Iterable

from chappe.core.errors import ChappeError
from chappe.gateway.catalogue.model import Endpoint, Kind, Model
from chappe.identity import Actor


class Catalogue:
    """Models by name; the first of a kind is that kind's default. Replaced whole on a change.

    Args:
        models: in the operator's order.
        idle: endpoints that serve no model yet: they are looked at all the same.
    """

    def __init__(self, models: Iterable[Model], idle: Iterable[Endpoint] = ()) -> None:
        self._idle = list(idle)
        self._models = {model.name: model for model in models}
        self._names = {
            alias: model.name for model in self._models.values() for alias in model.aliases
        } | {name: name for name in self._models}

    def all(self) -> list[Model]:
        """Every model, in the operator's order."""
        return list(self._models.values())

    def visible(self, actor: Actor) -> list[Model]:
        """The models that an actor may use and that aren't retired."""
        return [m for m in self._models.values() if m.status != "retired" and may_use(actor, m)]

    @property
    def configured(self) -> frozenset[str]:
        """Names of the models of the settings, which the database needn't have."""
        return frozenset(
            model.name
            for model in self._models.values()
            if any(endpoint.id.startswith("configured:") for endpoint in model.endpoints)
        )

    def endpoints(self) -> list[Endpoint]:
        """Every endpoint, once."""
        serving = (endpoint for model in self._models.values() for endpoint in model.endpoints)
        return list({endpoint.id: endpoint for endpoint in (*serving, *self._idle)}.values())

    def get(self, name: str) -> Model | None:
        """The model of that name or alias, whatever its kind and status."""
        return self._models.get(self._names.get(name, ""))

    def find(self, name: str, kind: Kind, actor: Actor) -> Model:
        """The model of that name or alias and kind, if the actor may use it.

        Raises:
            ChappeError: `unknown_model` (404), also for one that may not be used: that it exists
                is nobody else's business.
        """
        model = self.get(name)
        if model is None or model.kind != kind or not may_use(actor, model):
            raise ChappeError("unknown_model", 404, model=name)
        return model

    def default(self, kind: Kind) -> Model | None:
        """The first model of a kind, if there is one."""
        return next(
            (m for m in self._models.values() if m.kind == kind and m.status != "retired"), None
        )


def may_use(actor: Actor, model: Model) -> bool:
    """Is the model granted to the actor: to all, to its organisation, a group of its or its key."""
    if model.public or actor.kind == "system":
        return True
    return not model.grants.isdisjoint(actor.subjects)
