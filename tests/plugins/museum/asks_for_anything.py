"""It asks for whatever it is told to ask for, granted or not."""

from lnpd_sdk import envelope
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("asks-for-anything", version="1")


@plugin.rpc("Asks for a service.", name="bad-command")
async def command(node: Node, service: str, params: bytes) -> None:
    await node.call(service, envelope.decode(params, object))


if __name__ == "__main__":
    plugin.run()
