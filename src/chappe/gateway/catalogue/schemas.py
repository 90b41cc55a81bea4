"""What the catalogue is described with: by the API, by commands and in the declarative file."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from chappe.core.errors import ChappeError
from chappe.core.invalid import at, of_pydantic, wrong

Described = TypeVar("Described", bound=BaseModel)

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\s\"\\]+$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Level = Literal["open", "internal", "restricted"]


# Neither text nor jsonb of PostgreSQL holds a zero character or half a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value of JSON or TOML, names included."""
    rest = [value]
    while rest:
        match rest.pop():
            case str() as text:
                yield text
            case dict() as fields:
                rest += [*fields.keys(), *fields.values()]
            case list() as items:
                rest += items


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, values: Any) -> Any:
        if any(_UNSTORABLE.search(text) for text in _texts(values)):
            raise PydanticCustomError("not_storable", "a character that can't be stored")
        return values


class OrganisationSpec(_Spec):
    """An organisation: its share when a model is saturated is its `weight` among the others'."""

    slug: Slug
    name: str = Field("", max_length=200)
    siret: str | None = Field(None, pattern=r"^[0-9]{14}$")
    weight: float = Field(1.0, gt=0, le=1_000_000)

    @model_validator(mode="after")
    def _named(self) -> "OrganisationSpec":
        self.name = self.name or self.slug
        return self


class ModelSpec(_Spec):
    """A model. Prices are euros by million tokens and by hour of sound; objectives milliseconds."""

    name: Name
    kind: Literal["chat", "embedding", "rerank", "transcription"] = "chat"
    aliases: list[Name] = Field(default_factory=list, max_length=50)
    description: str = Field("", max_length=2000)
    context: int = Field(8192, gt=0, le=1_000_000_000, description="tokens")
    max_output_tokens: int = Field(4096, gt=0, le=1_000_000_000)
    modalities: list[Literal["text", "image", "audio"]] = ["text"]
    licence: str | None = Field(None, max_length=200)
    parameters_total: float | None = Field(None, gt=0, le=1e6, description="billions")
    parameters_active: float | None = Field(None, gt=0, le=1e6, description="billions")
    default_sampling: dict[str, Any] = Field(default_factory=dict)
    status: Literal["active", "deprecated", "retired"] = "active"
    replacement: Name | None = None
    fallbacks: list[Name] = Field(default_factory=list, max_length=20)
    public: bool = Field(True, description="granted to everybody")
    grants: list[str] = Field(
        default_factory=list, description="organisation:SLUG, group:SLUG/GROUP or key:ID"
    )
    queue_limit: int = Field(256, ge=0, le=100_000)
    ttft_objective_ms: int = Field(2000, gt=0, le=3_600_000)
    itl_objective_ms: int = Field(100, gt=0, le=3_600_000)
    price_in: float = Field(0.0, ge=0, le=1e9)
    price_out: float = Field(0.0, ge=0, le=1e9)
    price_audio_hour: float = Field(0.0, ge=0, le=1e9)
    transfer_in: float = Field(0.0, ge=0, le=1e9)
    transfer_out: float = Field(0.0, ge=0, le=1e9)
    prompt_chars: int = Field(12_000, gt=0, le=100_000_000)
    answer_tokens: int = Field(700, gt=0, le=1_000_000)
    weak: bool = False


class EndpointSpec(_Spec):
    """A server. Its secret is given, or read from a variable or a file where this is applied.

    An empty secret removes the one that is there. `drained` is left as it is unless it is told.
    """

    name: Name
    url: str = Field(pattern=r"^https?://[^\s]+$", max_length=500)
    secret: SecretStr | None = None
    secret_env: str | None = None
    secret_file: Path | None = None
    engine: Literal["openai", "vllm", "sglang", "llamacpp", "tei", "ollama"] = "openai"
    site: str = Field("local", max_length=100)
    labels: dict[str, str] = Field(default_factory=dict)
    clearance: Level = "open"
    capacity: int | None = Field(None, ge=1, le=100_000)
    drained: bool = False
    serves: dict[str, str] = Field(
        default_factory=dict, description="the server's own name for each model of the catalogue"
    )

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        try:
            reachable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            reachable = False
        if not reachable or not url.isascii():
            raise PydanticCustomError("no_server_address", "no address of a server")
        if "@" in parts.netloc:
            raise PydanticCustomError("address_with_secret", "a password in an address")
        if parts.query or parts.fragment:
            raise PydanticCustomError("address_with_query", "more than a path in an address")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _one_secret(self) -> "EndpointSpec":
        if sum(v is not None for v in (self.secret, self.secret_env, self.secret_file)) > 1:
            raise PydanticCustomError("one_secret", "more than one secret")
        return self

    def secret_text(self) -> str | None:
        """The secret itself; None when none is given.

        Raises:
            ChappeError: `invalid_request` (422), the variable or the file isn't there, or what it
                holds can't be a secret.
        """
        text = self._given_secret()
        # It goes into a header line.
        if text is not None and not all("!" <= char <= "~" for char in text):
            raise self._no_secret("secret_not_printable")
        return text

    def _given_secret(self) -> str | None:
        if self.secret is not None:
            return self.secret.get_secret_value()
        if self.secret_env is not None:
            if self.secret_env not in os.environ:
                raise self._no_secret("secret_unset", self.secret_env)
            return os.environ[self.secret_env].strip()
        if self.secret_file is not None:
            try:
                return self.secret_file.expanduser().read_text().strip()
            except (OSError, UnicodeDecodeError):
                raise self._no_secret("secret_unreadable_file", str(self.secret_file)) from None
        return None

    def _no_secret(self, kind: str, source: str = "") -> ChappeError:
        reason = wrong(kind, name=self.name, source=source)
        return ChappeError("invalid_request", 422, reason=reason)


class LimitSpec(_Spec):
    """A limit. `subject`: installation, model, organisation:SLUG, person:SLUG/NAME or key:ID."""

    subject: str
    model: Name | None = None
    measure: Literal["requests", "tokens", "concurrency", "audio_seconds", "energy_wh"]
    period: Literal["minute", "day", "month"] | None = None
    amount: float = Field(ge=0, le=1e15)
    input_weight: float = Field(1.0, ge=0, le=1e6)
    output_weight: float = Field(1.0, ge=0, le=1e6)
    action: Literal["warn", "slow", "refuse"] = "refuse"
    warn_at: float = Field(0.8, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> "LimitSpec":
        if (self.measure == "concurrency") != (self.period is None):
            raise PydanticCustomError("limit_period", "a period that this measure has not")
        if self.subject == "model" and self.model is None:
            raise PydanticCustomError("limit_model", "no model")
        return self

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return " ".join((self.subject, self.model or "*", self.measure, self.period or "at-once"))


class CatalogueSpec(_Spec):
    """The declarative file: what is in it is made so; what isn't is left alone, or pruned."""

    organisations: list[OrganisationSpec] = Field(default_factory=list)
    models: list[ModelSpec] = Field(default_factory=list)
    endpoints: list[EndpointSpec] = Field(default_factory=list)
    limits: list[LimitSpec] = Field(default_factory=list)

    @model_validator(mode="after")
    def _unique(self) -> "CatalogueSpec":
        for kind, names in (
            ("organisations", [o.slug for o in self.organisations]),
            ("models", [n for m in self.models for n in (m.name, *m.aliases)]),
            ("endpoints", [e.name for e in self.endpoints]),
            ("limits", [limit.name for limit in self.limits]),
        ):
            for name in names:
                if names.count(name) > 1:
                    told = {"kind": kind, "name": name}
                    raise PydanticCustomError("named_twice", "{name} is there twice", told)
        return self


def described(kind: type[Described], values: dict[str, Any], code: str) -> Described:
    """A description from plain values.

    Raises:
        ChappeError: `code` (422), naming the table, what it describes and the key; never with the
            value, which may be a secret.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        reason = at(_place(values, first["loc"]), of_pydantic(first))
        raise ChappeError(code, 422, reason=reason) from None


def _place(values: Any, path: tuple[int | str, ...]) -> str:
    """Where a description is wrong: `models.0 (mistral).contxt`."""
    place = ""
    for part in path:
        place += f".{part}"
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            values = None
        if isinstance(part, int) and isinstance(values, dict):
            names = (values.get(key) for key in ("name", "slug", "subject"))
            name = next((name for name in names if isinstance(name, str)), None)
            place += f" ({name[:200]})" if name else ""
    return place.removeprefix(".")
