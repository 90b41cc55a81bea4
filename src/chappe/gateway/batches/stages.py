"""What comes before and after a batch's requests: its input is checked, its results are written."""

import uuid
from collections.abc import AsyncIterator, Callable

from psycopg.types.json import Jsonb

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.batches import files
from chappe.gateway.batches.batch import Batch, Fault, notify
from chappe.gateway.batches.blobs import Blobs
from chappe.gateway.batches.lines import (
    Checker,
    LineTooLongError,
    UsageSum,
    read_line,
    result_line,
    split,
)

CheckModel = Callable[[str], ChappeError | None]
_ROWS = 50


class Stages:
    """Validates and finishes batches that this replica has taken.

    Args:
        connections: the database.
        blobs: where files are.
        me: this replica.
        line_bytes: longest line of an input file.
    """

    def __init__(
        self, connections: Connections, blobs: Blobs, me: uuid.UUID, line_bytes: int
    ) -> None:
        self._connections = connections
        self._blobs = blobs
        self._me = me
        self._line_bytes = line_bytes

    # Before

    async def validate(self, batch: Batch, check_model: CheckModel | None) -> None:
        """Check every line, then keep all of them as items; or tell what is wrong.

        Args:
            check_model: may the batch's key ask a model; None when the key isn't valid any more.
        """
        if check_model is None:
            await self._fail(batch, [Fault("invalid_api_key")])
            return
        checker = Checker(batch.endpoint, check_model)
        try:
            async with self._connections.transaction() as connection:
                file = await files.find(connection, batch.organisation_id, batch.input_file_id)
            async for number, text in split(self._blobs.read(file.blob), self._line_bytes):
                checker.add(number, text)
                if checker.full:
                    break
        except LineTooLongError as error:
            most = {"most": str(self._line_bytes)}
            checker.faults.append(Fault("line_too_long", error.number, None, most))
        except FileNotFoundError:
            checker.faults.append(Fault("file_not_found", None, "input_file_id"))
        except ChappeError as error:
            if error.code != "unknown_file":
                raise
            checker.faults.append(Fault("file_not_found", None, "input_file_id"))
        if not checker.total and not checker.faults:
            checker.faults.append(Fault("empty_file"))
        if checker.faults:
            await self._fail(batch, checker.faults)
        else:
            await self._accept(batch, file.blob, checker)

    async def _fail(self, batch: Batch, faults: list[Fault]) -> None:
        async with self._connections.transaction() as connection:
            await connection.execute(
                "update batch set status = 'failed', failed_at = now(), errors = %s,"
                " taken_by = null, taken_until = null"
                " where id = %s and taken_by = %s and status = 'validating'",
                (Jsonb([fault.stored() for fault in faults]), batch.id, self._me),
            )

    async def _accept(self, batch: Batch, blob: str, checker: Checker) -> None:
        async with self._connections.transaction() as connection:
            cursor = await connection.execute(
                "update batch set status = 'in_progress', in_progress_at = now(), model = %s,"
                " total = %s, taken_by = null, taken_until = null"
                " where id = %s and taken_by = %s and status = 'validating'",
                (checker.model, checker.total, batch.id, self._me),
            )
            if not cursor.rowcount:
                return  # cancelled, or its time was past and another validates it
            copying = connection.cursor().copy(
                "copy batch_item (batch_id, ordinal, custom_id, body) from stdin (format binary)"
            )
            async with copying as copy:
                copy.set_types(["text", "int4", "text", "bytea"])
                async for number, text in split(self._blobs.read(blob), self._line_bytes):
                    line = read_line(text)
                    await copy.write_row((batch.id, number, line.custom_id, bytes(line.body)))
            await notify(connection)

    # After

    async def finish(self, batch: Batch) -> None:
        """Write the result files in the order of the input, and end the batch."""
        unfinished = batch.completed + batch.failed < batch.total
        if batch.status == "cancelling":
            end = "cancelled"
        else:
            end = "expired" if unfinished else "completed"
        usage = UsageSum()
        made: list[tuple[str, files.Begun, int]] = []
        for kind, wanted in (("output", batch.completed), ("error", batch.failed + unfinished)):
            if not wanted:
                continue
            async with self._connections.transaction() as connection:
                begun = await files.begin(connection, batch.organisation_id, batch.key_id)
            lines = self._lines(batch, kind == "output", f"batch_{end}", usage)
            made.append((kind, begun, await self._blobs.put(begun.blob, lines)))
        async with self._connections.transaction() as connection:
            names = {kind: begun.id for kind, begun, _ in made}
            cursor = await connection.execute(
                f"update batch set status = %s, {end}_at = now(), output_file_id = %s,"  # noqa: S608
                " error_file_id = %s, usage = %s, taken_by = null, taken_until = null"
                " where id = %s and taken_by = %s and status = %s",
                (
                    end, names.get("output"), names.get("error"), Jsonb(usage.view()), batch.id,
                    self._me, batch.status,
                ),
            )  # fmt: skip
            if not cursor.rowcount:
                return  # another has finished it; what was begun here is removed in time
            for kind, begun, size in made:
                await files.complete(
                    connection,
                    begun,
                    filename=f"{batch.id}_{kind}.jsonl",
                    purpose="batch_output",
                    size=size,
                    seconds=batch.output_seconds,
                )
            await connection.execute("delete from batch_item where batch_id = %s", (batch.id,))

    async def _lines(
        self, batch: Batch, good: bool, unfinished: str, usage: UsageSum
    ) -> AsyncIterator[bytes]:
        """The lines of the output file, or of the error file."""
        after = 0
        while True:
            async with self._connections.transaction() as connection:
                cursor = await connection.execute(
                    "select ordinal, custom_id, status, response, request_id from batch_item"
                    " where batch_id = %s and ordinal > %s"
                    " and coalesce(status between 200 and 299, false) = %s"
                    " order by ordinal limit %s",
                    (batch.id, after, good, _ROWS),
                )
                rows = await cursor.fetchall()
            lines = []
            for ordinal, custom_id, status, response, request_id in rows:
                if good:
                    usage.add(response)
                lines.append(
                    result_line(
                        batch.id, ordinal, custom_id, status, response, request_id, unfinished
                    )
                )
            if not rows:
                return
            yield b"".join(lines)
            after = rows[-1][0]
