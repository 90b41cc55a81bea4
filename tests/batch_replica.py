"""A gateway in a process of its own, to be killed: `python -m batch_replica URL FOLDER`.

Prints its address and a key. Its leases are short, so that others needn't wait long.
"""

import asyncio
import sys
from pathlib import Path

from chappe.gateway.batches import runner
from gateway_tower import tower


async def main(database_url: str, folder: Path) -> None:
    runner._LEASE_SECONDS, runner._UPKEEP_SECONDS, runner._POLL_SECONDS = 2.0, 0.4, 0.4
    async with tower(database_url, folder) as gate:
        print(gate.url, gate.key, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
