"""What connectors' tests ask of every connector."""

from collections.abc import Mapping
from pathlib import Path

from chappe.knowledge.connectors.base import Connector, Found, Known


async def listed(
    connector: Connector, folder: Path, known: Mapping[str, Known] | None = None
) -> dict[str, Found]:
    """What there is, by external id; each once."""
    found = [item async for item in connector.items(known or {}, folder)]
    by_id = {item.external_id: item for item in found}
    assert len(by_id) == len(found)
    return by_id


def remembered(found: Mapping[str, Found]) -> dict[str, Known]:
    """What a synchronisation would remember of a listing."""
    return {
        name: Known(item.tag, item.state) for name, item in found.items() if item.failure is None
    }
