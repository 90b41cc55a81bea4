"""What the catalogue holds in memory: models, and the endpoints that serve them."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["starting", "ready", "failed"]
Kind = Literal["chat", "embedding", "rerank", "transcription"]
Engine = Literal["openai", "vllm", "sglang", "llamacpp", "tei", "ollama"]
Status = Literal["active", "deprecated", "retired"]

KINDS: tuple[Kind, ...] = ("chat", "embedding", "rerank", "transcription")
ENGINES: tuple[Engine, ...] = ("openai", "vllm", "sglang", "llamacpp", "tei", "ollama")
LEVELS = ("open", "internal", "restricted")
"""Names of the sensitivity levels 0, 1 and 2."""


@dataclass(slots=True)
class Endpoint:
    """A server that speaks OpenAI's API.

    Attributes:
        id: the row's identifier; `configured:NAME` for one from the settings, or that runs here.
        base_url: address up to and including `/v1`; None until an embedded engine has one.
        clearance: highest sensitivity level (0 to 2) that it may see.
        capacity: requests at once, where the operator sets it; None: learned.
        upstream_names: name that it knows a model by, for each catalogue name that it serves.
        state: of an engine of our own; others are always `ready` here, their health is dispatch's.
    """

    id: str
    name: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    engine: Engine = "openai"
    site: str = "local"
    labels: Mapping[str, str] = field(default_factory=dict)
    clearance: int = 0
    capacity: int | None = None
    drained: bool = False
    upstream_names: dict[str, str] = field(default_factory=dict)
    embedded: bool = False
    state: State = "ready"
    detail: str | None = None


@dataclass(slots=True)
class Model:
    """A model that people ask for by `name` or by an alias.

    Attributes:
        context: context length, in tokens.
        max_output_tokens: longest answer; what a quota reserves when a request sets no limit.
        parameters_total, parameters_active: billions; None when unknown.
        default_sampling: fields put in a request that doesn't set them (`temperature`…).
        replacement: model that answers in its place once it is retired.
        fallbacks: models that may answer when none of its endpoints can, in order.
        public: everybody may use it; otherwise only those in `grants`.
        grants: identifiers of organisations, groups and keys.
        queue_limit: requests that may wait.
        ttft_objective_ms, itl_objective_ms: objectives on the time to first token and between two.
        price_*, transfer_*: euros by million tokens, and by hour of sound.
        prompt_chars: characters of passages that fit a grounded prompt.
        answer_tokens: longest grounded answer.
        weak: too small for reliable French.
    """

    name: str
    kind: Kind
    aliases: tuple[str, ...] = ()
    description: str = ""
    context: int = 8192
    max_output_tokens: int = 4096
    modalities: tuple[str, ...] = ("text",)
    licence: str | None = None
    parameters_total: float | None = None
    parameters_active: float | None = None
    default_sampling: dict[str, Any] = field(default_factory=dict)
    status: Status = "active"
    replacement: str | None = None
    fallbacks: tuple[str, ...] = ()
    public: bool = True
    grants: frozenset[uuid.UUID] = frozenset()
    queue_limit: int = 256
    ttft_objective_ms: int = 2000
    itl_objective_ms: int = 100
    tokenizer: str | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    price_audio_hour: float = 0.0
    transfer_in: float = 0.0
    transfer_out: float = 0.0
    prompt_chars: int = 12_000
    answer_tokens: int = 700
    weak: bool = False
    endpoints: list[Endpoint] = field(default_factory=list)

    @property
    def state(self) -> State:
        """`ready` as soon as one endpoint is; `starting` while one may become so."""
        states = {endpoint.state for endpoint in self.endpoints}
        return next((s for s in ("ready", "starting") if s in states), "failed")

    @property
    def detail(self) -> str | None:
        """Why it isn't ready."""
        return next((e.detail for e in self.endpoints if e.detail), None)

    @property
    def embedded(self) -> bool:
        """Does an engine of our own serve it."""
        return any(endpoint.embedded for endpoint in self.endpoints)
