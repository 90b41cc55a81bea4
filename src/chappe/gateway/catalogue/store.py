"""Reading the catalogue from the database."""

import uuid
from typing import Any

from psycopg.rows import dict_row

from chappe.core.connections import Connection
from chappe.gateway.quotas.limits import Limit

_MODELS = """
    select m.id::text, m.name, m.aliases, m.kind, m.description, m.context, m.max_output_tokens,
           m.modalities, m.licence, m.parameters_total, m.parameters_active, m.default_sampling,
           m.status, m.replacement, m.fallbacks, m.public, m.queue_limit, m.ttft_objective_ms,
           m.itl_objective_ms, m.tokenizer, m.price_in, m.price_out, m.price_audio_hour,
           m.transfer_in, m.transfer_out, m.prompt_chars, m.answer_tokens, m.weak,
           array(select g.subject_id::text from model_grant g where g.model_id = m.id) as grants
    from model m order by m.created_at, m.name
"""
_ENDPOINTS = """
    select id::text, name, url, secret, engine, site, labels, clearance, capacity, drained
    from endpoint order by name
"""
_DEPLOYMENTS = """
    select endpoint_id::text, m.name as model, upstream_name
    from deployment d join model m on m.id = d.model_id
"""
_LIMITS = """
    select id, subject_kind, subject_id, model, measure, period, amount, input_weight,
           output_weight, action, warn_at
    from quota_limit order by created_at
"""


async def load_rows(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Models, endpoints, deployments and limits as plain rows; secrets still encrypted."""
    rows: dict[str, list[dict[str, Any]]] = {}
    async with connection.cursor(row_factory=dict_row) as cursor:
        for name, query in (
            ("models", _MODELS),
            ("endpoints", _ENDPOINTS),
            ("deployments", _DEPLOYMENTS),
            ("limits", _LIMITS),
        ):
            await cursor.execute(query)
            rows[name] = await cursor.fetchall()
    return rows


def limits_of(rows: list[dict[str, Any]]) -> list[Limit]:
    """Limits from their rows."""
    return [
        Limit(
            **row
            | {
                "id": _uuid(row["id"]),
                "subject_id": _uuid(row["subject_id"]) if row["subject_id"] else None,
            }
        )
        for row in rows
    ]


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
