"""It asks the node as fast as it can, and hears no answer."""

from lnpd_sdk import envelope
from lnpd_sdk.envelope import Call
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("floods-with-calls", version="1")


@plugin.rpc("Floods.", name="bad-command")
async def command(node: Node) -> None:
    socket = node._call.__self__._socket  # type: ignore[attr-defined]  # what a plugin in another language may do
    frame = envelope.pack(Call(7, "channels", envelope.raw({})))
    while True:
        socket.send(frame)


if __name__ == "__main__":
    plugin.run()
