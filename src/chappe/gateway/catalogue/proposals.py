"""Models that endpoints announce and that aren't in the catalogue: taken, or set aside, by hand."""

from typing import Any

from chappe.core.connections import Connection
from chappe.gateway.catalogue.administration import missing, put_model, rows
from chappe.gateway.catalogue.schemas import ModelSpec, described
from chappe.identity import Actor
from chappe.identity.acts import Act
from chappe.identity.audit import hold, record


async def proposals(connection: Connection) -> list[dict[str, Any]]:
    """Models that endpoints announce and that nobody has taken or set aside."""
    return await rows(
        connection,
        "select e.name as endpoint, p.upstream_name, p.detail, p.state, p.first_seen, p.last_seen"
        " from model_proposal p join endpoint e on e.id = p.endpoint_id"
        " where p.state = 'proposed' order by e.name, p.upstream_name",
    )


async def decide(
    connection: Connection, actor: Actor, endpoint: str, upstream_name: str, model: str | None
) -> None:
    """Have an endpoint serve `model` under the name that it announced, or set that aside (None).

    Raises:
        ChappeError: `unknown_object`.
    """
    await hold(connection)
    found = await rows(
        connection,
        "update model_proposal set state = %s where upstream_name = %s"
        " and endpoint_id = (select id from endpoint where name = %s)"
        " returning endpoint_id, detail",
        "accepted" if model else "ignored", upstream_name, endpoint,
    )  # fmt: skip
    if not found:
        raise missing("proposal", f"{endpoint} {upstream_name}")
    if model is not None:
        if not await rows(connection, "select 1 from model where name = %s", model):
            values = {"name": model} | _told(found[0]["detail"])
            spec = described(ModelSpec, values, "invalid_request")
            await put_model(connection, actor, spec)
        await connection.execute(
            "insert into deployment select %s, id, %s from model where name = %s"
            " on conflict (endpoint_id, model_id) do update set"
            " upstream_name = excluded.upstream_name",
            (found[0]["endpoint_id"], upstream_name, model),
        )
    action: Act = "proposal.accept" if model else "proposal.ignore"
    await record(connection, actor, action, endpoint, {"name": upstream_name, "model": model})


def _told(detail: dict[str, Any]) -> dict[str, Any]:
    """What a server's own words say of a model that isn't in the catalogue yet."""
    context = detail.get("max_model_len") or detail.get("n_ctx_train")
    return {"context": context} if isinstance(context, int) and context > 0 else {}
