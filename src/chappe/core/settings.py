"""Settings: environment variables, then one TOML file, then defaults.

A value that can't work stops the start with one line (:class:`SettingsError`).
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class SettingsError(ValueError):
    """A setting that can't work; its message is one line that says what to change."""


class ModelSettings(BaseModel):
    """A model that the gateway serves: an OpenAI-compatible address, or a GGUF file run here."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    kind: Literal["chat", "embedding", "rerank", "transcription"] = "chat"
    url: str | None = None
    path: Path | None = None
    api_key: SecretStr | None = None
    upstream_name: str | None = Field(None, description="the name that the server knows it by")
    engine: Literal["openai", "vllm", "sglang", "llamacpp", "tei", "ollama"] = "openai"
    capacity: int | None = Field(None, ge=1, description="requests at once; none: learned")
    context: int = Field(8192, ge=512, description="context length, in tokens")
    max_output_tokens: int | None = Field(None, ge=1, description="longest answer, in tokens")
    prompt_chars: int = Field(12_000, ge=500, description="characters of passages in a prompt")
    answer_tokens: int = Field(700, ge=16, description="longest answer, in tokens")
    weak: bool = Field(False, description="too small for reliable French")

    @model_validator(mode="after")
    def _one_place(self) -> "ModelSettings":
        if (self.url is None) == (self.path is None):
            raise ValueError(f"model {self.name}: give either `url` or `path`")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"model {self.name}: `url` must begin with http:// or https://")
        if self.path is not None:
            self.path = self.path.expanduser()
            if not self.path.is_file():
                raise ValueError(f"model {self.name}: there is no file {self.path}")
            if self.kind != "chat":
                raise ValueError(f"model {self.name}: a GGUF file is served as a chat model only")
        return self


def parse_models(text: str) -> list[dict[str, Any]]:
    """Read the short form of `CHAPPE_MODELS`.

    Either a JSON list of models, or items separated by commas: `name=http://host/v1`,
    `name=/path/to/model.gguf`, or a bare path or address.
    """
    text = text.strip()
    if text.startswith("["):
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"CHAPPE_MODELS is not valid JSON: {error}") from None
        if not all(isinstance(item, dict) for item in value):
            raise ValueError("CHAPPE_MODELS: each item of the JSON list must be an object")
        return list(value)
    models: list[dict[str, Any]] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, separator, target = item.partition("=")
        if not separator:
            target = item
            name = Path(item).stem if not item.startswith("http") else item.split("/")[2]
        place = "url" if target.startswith(("http://", "https://")) else "path"
        models.append({"name": name.strip(), place: target.strip()})
    return models


def default_data_dir() -> Path:
    """`/var/lib/chappe` for root, else the user's own data folder (XDG)."""
    if os.geteuid() == 0:
        return Path("/var/lib/chappe")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "chappe"


class Settings(BaseSettings):
    """Everything that an operator may set. Each has the environment name `CHAPPE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="CHAPPE_", extra="forbid")

    data_dir: Path = Field(default_factory=default_data_dir)
    database_url: SecretStr | None = Field(
        None, description="postgresql://…; none: the embedded server in `data_dir`"
    )
    blob_url: str | None = Field(None, description="s3://…; none: a folder in `data_dir`")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="host names by which the page may be reached"
    )
    anonymous: bool | None = Field(
        None, description="may the page ask without a key; none: only on a loopback address"
    )
    web_dir: Path | None = Field(None, description="the built page; none: looked for")
    models: Annotated[list[ModelSettings], NoDecode] = Field(default_factory=list)
    embedded_chat: bool = Field(True, description="serve the small embedded chat model")
    embedded_encoder: bool = Field(True, description="serve the embedded sentence encoder")
    encoder: str | None = Field(None, description="embedding model; none: first one, or embedded")
    database_connections: int = Field(10, ge=2, le=200)
    first_byte_timeout: float = Field(120.0, gt=0, description="seconds")
    inter_token_timeout: float = Field(60.0, gt=0, description="seconds")
    document_max_bytes: int = Field(
        200 * 1024 * 1024, ge=1024, description="largest file that is taken into a collection"
    )
    readers: int = Field(1, ge=0, le=64, description="documents that a worker reads at once")
    max_body_bytes: int = Field(32_000_000, ge=1_000_000)
    longest_wait: float = Field(60.0, gt=0, description="seconds that a request may queue")
    tell_endpoint: bool = Field(False, description="name the endpoint in answers")
    probe_interval: float = Field(5.0, gt=0, description="seconds between probes of an endpoint")
    known_keys_seconds: float = Field(
        3600.0, ge=0, description="how long known keys work while the database is away"
    )
    journal_max_bytes: int = Field(1_073_741_824, ge=16_777_216)
    journal_sync_seconds: float | None = Field(
        None, gt=0, description="how often the journal is forced to the disk; none: by the kernel"
    )
    accounts_retention_months: int = Field(24, ge=1)
    secret_key: SecretStr | None = Field(
        None, description="32 bytes in base64, for secrets at rest; none: a file in `data_dir`"
    )
    source_networks: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="networks and host names, beside public addresses, that sources may read",
    )
    source_folders: Annotated[list[Path], NoDecode] = Field(
        default_factory=list, description="folders in which sources may watch folders"
    )
    source_file_bytes: int = Field(200_000_000, ge=1, description="largest file of a source")
    source_items: int = Field(200_000, ge=1, description="most files of one source")
    otlp_endpoint: str | None = Field(None, description="where OpenTelemetry traces go (OTLP/HTTP)")
    stale_after_days: int = Field(365, ge=1)
    citation_model: str | None = Field(
        None, description="chat model asked whether a passage says a sentence; none: words alone"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"

    @field_validator("models", mode="before")
    @classmethod
    def _read_models(cls, value: object) -> object:
        return parse_models(value) if isinstance(value, str) else value

    @field_validator("allowed_hosts", "source_networks", "source_folders", mode="before")
    @classmethod
    def _read_list(cls, value: object) -> object:
        return (
            [h.strip() for h in value.split(",") if h.strip()] if isinstance(value, str) else value
        )

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        return value

    @model_validator(mode="after")
    def _together(self) -> "Settings":
        self.data_dir = self.data_dir.expanduser().absolute()
        names = [model.name for model in self.models]
        if len(set(names)) != len(names):
            raise ValueError("models: two models have the same name")
        if self.encoder and self.encoder not in {
            model.name for model in self.models if model.kind == "embedding"
        }:
            raise ValueError(f"encoder: no embedding model is named {self.encoder!r} in `models`")
        return self

    @property
    def anonymous_page(self) -> bool:
        """May the page use `/api` without a key."""
        return self.host in LOOPBACK_HOSTS if self.anonymous is None else self.anonymous

    @property
    def hosts(self) -> list[str]:
        """Host names accepted in requests; `*` when the operator listens beyond loopback."""
        if self.allowed_hosts:
            return [*self.allowed_hosts, *LOOPBACK_HOSTS]
        return list(LOOPBACK_HOSTS) if self.host in LOOPBACK_HOSTS else ["*"]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if file := settings_file():
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=file))
        return tuple(sources)


def settings_file() -> Path | None:
    """The TOML file: `CHAPPE_CONFIG`, else `chappe.toml` in the working folder, else none."""
    if named := os.environ.get("CHAPPE_CONFIG"):
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"CHAPPE_CONFIG: there is no file {path}")
        return path
    path = Path("chappe.toml")
    return path if path.is_file() else None


# Read by the process itself and not by Settings.
_OTHER_VARIABLES = {"CHAPPE_CONFIG", "CHAPPE_ENGINE_KEY", "CHAPPE_KEY"}


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: one line naming the setting and what is wrong with it.
    """
    known = {f"CHAPPE_{name.upper()}" for name in Settings.model_fields} | _OTHER_VARIABLES
    for variable in os.environ:
        if variable.startswith("CHAPPE_") and variable not in known:
            raise SettingsError(f"{variable} is not a setting of Chappe: correct or unset it")
    if (
        "port" not in overrides
        and "CHAPPE_PORT" not in os.environ
        and (port := os.environ.get("PORT"))
    ):
        overrides["port"] = port
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}: {reason}") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"settings: {error}") from None
