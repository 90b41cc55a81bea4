"""The catalogue: which models there are, and which server serves each."""

from dataclasses import dataclass, field
from typing import Literal

from chappe.core.errors import ChappeError

State = Literal["starting", "ready", "failed"]


@dataclass(slots=True)
class Model:
    """A model that people ask for by `name`, and the OpenAI-compatible endpoint that serves it.

    Attributes:
        base_url: address up to and including `/v1`; None until an embedded engine has one.
        upstream_name: the name that the endpoint knows it by.
        context: context length, in tokens.
        prompt_chars: characters of passages that fit a grounded prompt.
        answer_tokens: longest grounded answer.
        weak: too small for reliable French.
    """

    name: str
    kind: Literal["chat", "embedding"]
    upstream_name: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    context: int = 8192
    prompt_chars: int = 12_000
    answer_tokens: int = 700
    weak: bool = False
    embedded: bool = False
    state: State = "ready"
    detail: str | None = None


class Catalogue:
    """Models by name; the first of a kind is that kind's default."""

    def __init__(self, models: list[Model]) -> None:
        self._models = {model.name: model for model in models}

    def all(self) -> list[Model]:
        """Every model, in the operator's order."""
        return list(self._models.values())

    def find(self, name: str, kind: Literal["chat", "embedding"]) -> Model:
        """The model of that name and kind.

        Raises:
            ChappeError: `unknown_model` (404).
        """
        model = self._models.get(name)
        if model is None or model.kind != kind:
            raise ChappeError("unknown_model", 404, model=name)
        return model

    def default(self, kind: Literal["chat", "embedding"]) -> Model | None:
        """The first model of a kind, if there is one."""
        return next((model for model in self._models.values() if model.kind == kind), None)
