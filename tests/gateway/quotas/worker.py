"""One replica as a process: asks for all it can get, and writes down what it got.

Arguments: the database's address, the limits as JSON, the file to write to, an offset in seconds by
which this process's wall clock is wrong, and a seed.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
import uuid

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.quotas import Limit, Quotas, Work
from chappe.identity import Actor

CLIENTS = 8
ACTOR = Actor("key", frozenset({"models"}), key_id=uuid.uuid4())
_wall = time.time


async def main(url: str, limits: str, path: str, offset: str, seed: str) -> None:
    """Until SIGTERM; then a clean stop."""
    time.time = lambda: _wall() + float(offset)
    draw = random.Random(int(seed))
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)

    def write(**fields: object) -> None:
        # The system's monotonic clock is one for all processes.
        os.write(log, json.dumps({"at": time.monotonic(), **fields}).encode() + b"\n")

    connections = Connections(url)
    await connections.open()
    replica = uuid.uuid4()
    quotas = Quotas(connections, replica)
    await quotas.start()
    write(act="started", replica=str(replica))
    quotas.set_limits(Limit(**item | {"id": uuid.UUID(item["id"])}) for item in json.loads(limits))

    async def client() -> None:
        while not stopping.is_set():
            work = Work(draw.randrange(1, 40), 20)
            before = time.monotonic()
            try:
                reservation = quotas.try_reserve(quotas.cover(ACTOR, "m"), work)
                if reservation is None:
                    reservation = await quotas.reserve(quotas.cover(ACTOR, "m"), work)
            except ChappeError as error:
                write(act="refused", code=error.code)
                await asyncio.sleep(0.02)
                continue
            number = draw.getrandbits(60)
            bound = work.tokens_in + work.tokens_out
            write(act="take", number=number, charge=bound, before=before)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(draw.random() * 0.05):
                    await asyncio.sleep(draw.random() * 0.05)
            used = Work(work.tokens_in, draw.randrange(0, 21))
            write(act="end", number=number, used=used.tokens_in + used.tokens_out)
            quotas.settle(reservation, used)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await quotas.stop()
    await connections.close()
    write(act="stopped")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
