"""It publishes an event of the guest's, and one of the node's."""

from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("publishes-for-another", version="1")


@plugin.rpc("Publishes.", name="bad-command")
async def command(node: Node) -> list[str]:
    said = []
    for topic in ("guest/word", "payment_received"):
        try:
            await node.publish(topic, amount_msat=1)
        except CallFailed as error:
            said.append(str(error))
    return said


if __name__ == "__main__":
    plugin.run()
