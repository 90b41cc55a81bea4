"""Telling what kind of server answers at an address, by the paths that only it has."""

from collections.abc import Callable
from typing import Any

import msgspec

from chappe.gateway.catalogue.model import Engine
from chappe.gateway.engines.probing import get, root_of
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
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if isinstance(told, dict) and shows(told):
            return engine
    return "openai"
