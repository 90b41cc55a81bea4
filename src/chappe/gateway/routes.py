"""What an operator sees of the running gateway. Who may call: a key with `operate`."""

from typing import Any

from fastapi import APIRouter, Request

from chappe.identity.access import require
from chappe.identity.http import CurrentActor

router = APIRouter(prefix="/api/admin", tags=["gateway"])


@router.get("/live")
async def live(request: Request, actor: CurrentActor) -> dict[str, Any]:
    """Queues, endpoints, replicas and what waits to be written, as this process sees them now."""
    require(actor, "operate")
    gateway = request.app.state.gateway
    waiting, lag = gateway.accounts.lag()
    return {
        "replica": str(gateway.replica_id),
        "replicas": gateway.quotas.replicas.alive,
        "database": "away" if gateway.quotas.database_away else "ready",
        "accounts": {
            "under_way": gateway.accounts.under_way,
            "waiting": waiting,
            "lag_seconds": round(lag, 1),
            "set_aside": gateway.accounts.set_aside,
        },
        "queues": gateway.queues(),
        "refusals": [
            {"model": model, "code": code, "count": count}
            for (model, code), count in gateway.metrics.refusals()
        ],
    }
