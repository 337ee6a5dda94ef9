"""It is granted updates, and proposes those of another's provider."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("proposes-for-another", version="1", capabilities=("updates:1000000",))


@plugin.rpc("Proposes.", name="bad-command")
async def command(node: Node, channel_id: str) -> None:
    await node.propose(channel_id, "guest", b"")


if __name__ == "__main__":
    plugin.run()
