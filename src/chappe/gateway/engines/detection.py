"""Looking at a server: what kind it is, by the paths that only it has, and what it announces."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from chappe.core.json import UNREADABLE
from chappe.gateway.catalogue import Endpoint
from chappe.gateway.catalogue.model import Engine
from chappe.gateway.engines.probing import announced, ask, get, root_of
from chappe.gateway.http.upstream import Pool

# In this order: SGLang answers some of vLLM's paths, and proxies before an engine may answer any.
_SIGNS: tuple[tuple[str, Engine, Callable[[dict[str, Any]], bool]], ...] = (
    ("/model_info", "sglang", lambda told: "model_path" in told),
    ("/get_model_info", "sglang", lambda told: "model_path" in told),  # until 0.5
    ("/props", "llamacpp", lambda told: "default_generation_settings" in told),
    ("/info", "tei", lambda told: "model_id" in told and "model_type" in told),
    ("/api/version", "ollama", lambda told: "version" in told),
    ("/version", "vllm", lambda told: "version" in told),
)


async def detect(upstream: Pool, base_url: str, api_key: str | None = None) -> Engine:
    """The engine type of a server; `openai` for one that shows no sign of its kind.

    Args:
        base_url: its address up to and including `/v1`.

    Raises:
        UpstreamError: it doesn't answer.
    """
    for path, engine, shows in _SIGNS:
        status, body = await get(upstream, root_of(base_url) + path, api_key)
        if status != 200:
            continue
        try:
            told = msgspec.json.decode(body)
        except UNREADABLE:
            continue
        if isinstance(told, dict) and shows(told):
            return engine
    return "openai"


@dataclass(frozen=True, slots=True)
class Examination:
    """What a server that is well shows of itself: its kind, and the models that it announces."""

    engine: Engine
    models: list[str]


async def examine(upstream: Pool, endpoint: Endpoint) -> Examination:
    """Ask an endpoint now.

    Raises:
        UpstreamError: it isn't well; says why.
    """
    seen = await ask(upstream, endpoint, models=True)
    assert endpoint.base_url is not None
    engine = await detect(upstream, endpoint.base_url, endpoint.api_key)
    return Examination(engine, [item["name"] for item in announced(seen or b"{}")])
