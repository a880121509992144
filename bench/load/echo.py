"""A WebSocket server on the gateway's server stack that does nothing: one short message for each message of audio.

python -m bench.load.echo
"""

import socket
import sys

import uvicorn
from starlette.types import Message, Receive, Scope, Send

from bench.load.sound import CHUNK_SECONDS


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer each chunk with how much audio there was, in the shape of the live protocol."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    chunks = 0
    while True:
        message: Message = await receive()
        if message["type"] != "websocket.receive" or message.get("text") == "close":
            break
        chunks += 1
        text = f'{{"status":"partial","duration":{chunks * CHUNK_SECONDS:.1f},"results":[{{"transcript":"word"}}]}}'
        await send({"type": "websocket.send", "text": text})
    if message["type"] == "websocket.receive":
        await send({"type": "websocket.close", "code": 1000})


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Print the address once it can be used, after all imports."""
        await super().startup(sockets)
        for one in sockets or ():
            sys.stdout.write(f"http://127.0.0.1:{one.getsockname()[1]}\n")
        sys.stdout.flush()


def main() -> None:
    """Serve on a free port of loopback."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, ws="websockets-sansio", log_level="critical", lifespan="off")
    _Server(config).run(sockets=[config.bind_socket()])


if __name__ == "__main__":
    main()
