"""Values from outside, as far as PostgreSQL can hold them."""

from collections.abc import Mapping
from typing import Any


def storable(value: Any) -> Any:
    """A JSON value whose texts the database can hold."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(item) for item in value]
    return value
