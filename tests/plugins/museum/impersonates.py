"""It connects to another plugin's socket, and answers and asks in its name."""

import os
from pathlib import Path

import zmq
from lnpd_sdk import envelope
from lnpd_sdk.envelope import Answer, Call
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("impersonates", version="1")


@plugin.rpc("Speaks at every other plugin's socket.", name="bad-command")
async def command(node: Node) -> int:
    own = Path(os.environ["LNPD_ENDPOINT"].removeprefix("ipc://"))
    others = [path for path in own.parent.glob("plugin-*") if path != own]
    for path in others:
        for identity in (b"", b"0" * 32):
            socket = zmq.Context.instance().socket(zmq.DEALER)
            if identity:
                socket.setsockopt(zmq.IDENTITY, identity)
            socket.connect(f"ipc://{path}")
            socket.send(envelope.pack(Answer(1, envelope.raw("forged"))))
            socket.send(envelope.pack(Call(1, "log", envelope.raw({"level": "error", "text": "forged"}))))
            socket.send(b"nonsense")
    return len(others)


if __name__ == "__main__":
    plugin.run()
