"""It sends notices as fast as it can."""

from lnpd_sdk import envelope
from lnpd_sdk.envelope import Notice
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("floods-with-notices", version="1")


@plugin.rpc("Floods.", name="bad-command")
async def command(node: Node) -> None:
    socket = node._call.__self__._socket  # type: ignore[attr-defined]  # what a plugin in another language may do
    frame = envelope.pack(Notice("news", envelope.raw([[]] * 100_000)))
    while True:
        socket.send(frame)


if __name__ == "__main__":
    plugin.run()
