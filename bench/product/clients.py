"""Show what every kind of published client gets from a server.

    python -m bench.product.clients [--clip PATH]

One clip, one connection for each client; those that do not send `close` wait 4 s for the server to end it.
"""

import argparse
import asyncio
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.common.server import Server
from tests.web.support.clients import CLIENTS

# Longer than any pause of a client, and shorter than the default, for those that wait for the end.
_IDLE_LIMIT_SECONDS = "4"


async def compare(url: str, clip: Path) -> Table:
    """Run the clients one after the other."""
    table = Table(title=f"{len(CLIENTS)} kinds of client, {clip.name}")
    for column in ("kind of client", "how it sends", "messages received", "transcript", "close code"):
        table.add_column(column)
    for client in CLIENTS:
        conversation = await client.talk(url, clip)
        messages = str(len(conversation.messages))
        table.add_row(client.kind, client.sends, messages, conversation.transcript, str(conversation.close_code))
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.product.clients", description=__doc__)
    parser.add_argument("--clip", type=Path, default=Path("tests/clips/weather.wav"), help="a WAV file, 16 kHz mono")
    clip = parser.parse_args().clip
    os.environ.setdefault("NIYOSHA_IDLE_LIMIT_SECONDS", _IDLE_LIMIT_SECONDS)
    server = Server.start()
    try:
        table = asyncio.run(compare(server.url, clip))
    finally:
        server.stop()
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
