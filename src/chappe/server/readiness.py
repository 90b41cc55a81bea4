"""Whether this replica can serve: what a load balancer asks of /readyz."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from chappe.gateway import Model


def readiness(
    models: Iterable[Model], database: str, needs_database: bool
) -> tuple[int, dict[str, Any]]:
    """Status and body of /readyz.

    A model whose servers are down doesn't take the replica out, nor does one that has no server
    yet; a replica that could serve none of the models that have servers is out. Models are
    counted, not named: who asks may be anybody.

    Args:
        database: `ready`, or why it isn't.
        needs_database: nothing can be served without it; the gateway alone goes on without.
    """
    served = [model for model in models if model.endpoints]
    states = Counter(model.state for model in served)
    ready = (not served or states["ready"] > 0) and (database == "ready" or not needs_database)
    value = {
        "status": "ready" if ready else "not ready",
        "parts": {"database": database},
        "models": {state: states[state] for state in ("ready", "starting", "failed")},
    }
    return (200 if ready else 503), value
