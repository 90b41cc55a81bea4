"""Which models may answer what an actor asks for, and under which limits: worked out once."""

from collections.abc import Iterable
from dataclasses import dataclass

from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import Catalogue, Kind, Model, may_use
from chappe.gateway.dispatch.routing import CatalogueView, ModelView, resolve
from chappe.gateway.quotas import Quotas
from chappe.gateway.quotas.reservation import Cover
from chappe.gateway.retries import RetryBudget
from chappe.identity import Actor
from chappe.identity.refusals import Refusals

_MOST_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that may answer.

    Attributes:
        clearance: the highest sensitivity level that an endpoint of it is cleared for; -1 where it
            has no endpoint.
        cover: the limits on what the actor asks of it.
        budget: what may be tried again for it.
        most_tokens: a count above this can't be true; engines count a template's tokens, hence the
            margin.
    """

    model: Model
    clearance: int
    cover: Cover
    budget: RetryBudget
    most_tokens: int


@dataclass(frozen=True, slots=True)
class Route:
    """The models that may answer, best first; never empty.

    Attributes:
        replaced: the retired or deprecated model that was asked for, if so.
    """

    actor: Actor
    choices: tuple[Choice, ...]
    replaced: str | None


class Choices:
    """Routes by what was asked and who asks, kept until the catalogue or the limits change.

    Args:
        quotas: gives the limits.
        refusals: where it is noted that a model was refused.
    """

    def __init__(self, quotas: Quotas, refusals: Refusals) -> None:
        self._quotas = quotas
        self._refusals = refusals
        self._budgets: dict[str, RetryBudget] = {}
        self._routes: dict[tuple[str, Kind, int], Route] = {}
        self.use(Catalogue(()))

    def use(self, catalogue: Catalogue) -> None:
        """A catalogue comes into force."""
        self._catalogue = catalogue
        self._view = CatalogueView.of(_views(catalogue.all()))
        self._routes.clear()

    def route(self, name: str, kind: Kind, actor: Actor) -> Route:
        """The models that may answer a request for `name`.

        Raises:
            ChappeError: `unknown_model` (404), or `model_retired` (410) without a replacement.
        """
        # By identity, which is compared faster than all that an actor holds.
        known = self._routes.get((name, kind, id(actor)))
        if known is not None and known.actor is actor:
            return known
        present = self._catalogue.get(name)
        if present is not None and not may_use(actor, present):
            self._refusals.note(actor, "model.use", present.name, "not granted")
        asked = self._catalogue.find(name, kind, actor)
        found = resolve(name, self._view)
        choices = tuple(
            self._choice(model, actor)
            for possible in found.models
            if (model := self._catalogue.get(possible)) is not None
            and model.kind == kind
            and may_use(actor, model)
        )
        if not choices:
            raise ChappeError("model_retired", 410, model=asked.name)
        if len(self._routes) >= _MOST_KEPT:
            self._routes.clear()
        route = self._routes[name, kind, id(actor)] = Route(actor, choices, found.replaced)
        return route

    def _choice(self, model: Model, actor: Actor) -> Choice:
        return Choice(
            model,
            max((endpoint.clearance for endpoint in model.endpoints), default=-1),
            self._quotas.cover(actor, model.name),
            self.budget(model.name),
            4 * model.context + 100_000,
        )

    def budget(self, model: str) -> RetryBudget:
        """What may be tried again for a model."""
        budget = self._budgets.get(model)
        if budget is None:
            budget = self._budgets[model] = RetryBudget()
        return budget


def _views(models: Iterable[Model]) -> tuple[ModelView, ...]:
    return tuple(ModelView(m.name, m.aliases, m.status, m.replacement, m.fallbacks) for m in models)
