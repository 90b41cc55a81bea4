"""The catalogue in force: read at the start, read again at each change, and kept for bad days.

The last good catalogue is kept as a file beside the journal (secrets still encrypted), so that a
replica can start while the database is away.
"""

import asyncio
import base64
import contextlib
import logging
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue.model import Endpoint, Model
from chappe.gateway.catalogue.secrets import Cipher
from chappe.gateway.catalogue.store import limits_of, load_rows
from chappe.gateway.quotas.limits import Limit

log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
Rows = dict[str, list[dict[str, Any]]]


class CatalogueSource:
    """Follows the catalogue of the database.

    Args:
        connections: the database.
        folder: where the last good catalogue is kept.
        cipher: reads the secrets.
        configured: models that need no catalogue.
        use: is given each catalogue that comes into force: its models, its limits, and the
            endpoints that serve no model yet.
    """

    def __init__(
        self,
        connections: Connections,
        folder: Path,
        cipher: Cipher,
        configured: Sequence[Model],
        use: Callable[[list[Model], list[Limit], list[Endpoint]], None],
    ) -> None:
        self._connections = connections
        self._file = folder / "catalogue.json"
        self._cipher = cipher
        self._configured = configured
        self._use = use
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the catalogue, from the database or else from the file, and follow it."""
        try:
            await self._load()
        except ChappeError:
            self._load_file()
            self._changed.set()
        self._connections.listen("chappe_catalogue", self._changed.set)
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._load()
            except ChappeError:
                await asyncio.sleep(_RETRY_SECONDS)
                self._changed.set()
            except Exception:
                # The catalogue in force stays; following must not end with one that can't be used.
                log.exception("catalogue_not_taken")
                await asyncio.sleep(_RETRY_SECONDS)
                self._changed.set()

    async def _load(self) -> None:
        async with self._connections.transaction() as connection:
            rows = await load_rows(connection)
        self._take(rows)
        temporary = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(rows))
            temporary.replace(self._file)

    def _load_file(self) -> None:
        try:
            rows = msgspec.json.decode(self._file.read_bytes(), type=Rows)
            for endpoint in rows["endpoints"]:
                if endpoint["secret"] is not None:
                    endpoint["secret"] = base64.b64decode(endpoint["secret"])
            self._take(rows)
        except FileNotFoundError:
            log.warning("no_catalogue_kept")
        except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            # Damaged, or of another version: what needs no catalogue is served until it is read.
            log.error("kept_catalogue_unusable", extra={"reason": repr(error)[:200]})
        else:
            log.warning("catalogue_of_last_time")

    def _take(self, rows: Rows) -> None:
        endpoints = {row["id"]: self._endpoint(row) for row in rows["endpoints"]}
        served: dict[str, list[Endpoint]] = {}
        for row in rows["deployments"]:
            endpoint = endpoints[row["endpoint_id"]]
            endpoint.upstream_names[row["model"]] = row["upstream_name"]
            served.setdefault(row["model"], []).append(endpoint)
        models = [_model(row, served.get(row["name"], [])) for row in rows["models"]]
        idle = [endpoint for endpoint in endpoints.values() if not endpoint.upstream_names]
        merged = merge(self._configured, models)
        self._use(*by_name(merged, limits_of(rows["limits"])), idle)

    def _endpoint(self, row: dict[str, Any]) -> Endpoint:
        endpoint = Endpoint(
            row["id"],
            row["name"],
            base_url=row["url"].rstrip("/"),
            engine=row["engine"],
            site=row["site"],
            labels=row["labels"],
            clearance=row["clearance"],
            capacity=row["capacity"],
            drained=row["drained"],
        )
        if row["secret"] is not None:
            try:
                endpoint.api_key = self._cipher.decrypt(bytes(row["secret"]), row["id"])
            except ChappeError as error:
                # It can't be asked without its secret; the others can.
                log.error("secret_unreadable", extra={"endpoint": row["name"]})
                endpoint.base_url, endpoint.state = None, "failed"
                endpoint.detail = str(error)
        return endpoint


def _model(row: dict[str, Any], endpoints: list[Endpoint]) -> Model:
    fields = {name: value for name, value in row.items() if name != "id"}
    for name in ("aliases", "modalities", "fallbacks"):
        fields[name] = tuple(fields[name])
    fields["grants"] = frozenset(uuid.UUID(text) for text in row["grants"])
    return Model(**fields, endpoints=endpoints)


def merge(configured: Sequence[Model], stored: Sequence[Model]) -> list[Model]:
    """Both together; a model of both has the catalogue's description and all the endpoints."""
    by_name = {model.name: model for model in stored}
    merged = []
    for model in configured:
        described = by_name.pop(model.name, None)
        if described is None:
            merged.append(model)
        else:
            described.endpoints = [*described.endpoints, *model.endpoints]
            merged.append(described)
    return [*merged, *by_name.values()]


def by_name(models: list[Model], limits: list[Limit]) -> tuple[list[Model], list[Limit]]:
    """Both, with aliases that lead from one to another replaced by the models' names."""
    names = {alias: model.name for model in models for alias in model.aliases}
    names |= {model.name: model.name for model in models}
    for model in models:
        if model.replacement is not None:
            model.replacement = names.get(model.replacement, model.replacement)
        model.fallbacks = tuple(names.get(name, name) for name in model.fallbacks)
    return models, [
        limit if limit.model is None else replace(limit, model=names.get(limit.model, limit.model))
        for limit in limits
    ]
