"""Sixty guests in a process of their own, which has to be light; started and killed by `tests.bench.soak`.

python -m tests.bench.soak_guests FILE
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

KINDS = ("lambda-csv", "lambda-array", "space", "page", "report", "figures", "card")


async def flood(told: dict[str, Any]) -> None:
    """All guests, until they are killed."""
    await asyncio.gather(*(guest(told, cookie, random.Random(at)) for at, cookie in enumerate(told["cookies"])))


async def guest(told: dict[str, Any], cookie: str, dice: random.Random) -> None:
    """Ask for one thing after the other; half of the answers are not read to their end."""
    address = urlsplit(told["url"])
    while True:
        body, which = "", dice.random()
        if which < 0.4:
            body = json.dumps({"run": told["run"], "since": dice.randrange(told["steps"]), "limit": 50})
            target = f"/view/ask/{dice.choice(('history', 'runs_list'))}"
        elif which < 0.5:
            name, body = dice.choice(told["dear"])
            target = f"/view/ask/{name}"
        else:
            target = f"/view/download/{told['run']}/{dice.choice(KINDS)}"
        head = f"{'POST' if body else 'GET'} {target} HTTP/1.1\r\nhost: {address.netloc}\r\ncookie: {cookie}\r\n"
        head += "content-type: application/json\r\n" if body else ""
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}"
        try:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(head.encode())
            patience = dice.random() * 2 if dice.random() < 0.5 else 60
            while await asyncio.wait_for(reader.read(2**16), patience):
                pass
            writer.close()
        except (TimeoutError, OSError):
            writer.close()


if __name__ == "__main__":
    os.nice(19)  # Guests compute on machines of their own.
    asyncio.run(flood(json.loads(Path(sys.argv[1]).read_text())))
