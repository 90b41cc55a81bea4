"""The official npm client works unchanged."""

import asyncio
import json
import os
import shutil
from pathlib import Path

from gateway_tower import WORDS, Server, Tower

FOLDER = Path(__file__).parents[1] / "npm"


async def test_the_official_npm_client(gate: Tower) -> None:
    node = shutil.which("node")
    assert node is not None and (FOLDER / "node_modules" / "openai").is_dir(), "make test installs"
    await gate.add_model(Server())
    process = await asyncio.create_subprocess_exec(
        node,
        "client.mjs",
        cwd=FOLDER,
        env={"PATH": os.environ["PATH"], "BASE": f"{gate.url}/v1", "KEY": gate.key},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    seen = json.loads(output)
    text = "".join(f"mot{i} " for i in range(WORDS))
    assert seen == {
        "names": ["m"],
        "whole": text,
        "tokens": WORDS,
        "streamed": text,
        "code": [True, "model_not_found"],
    }
