"""It registers again, with one more command."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("registers-twice", version="1")


@plugin.rpc("Registers again.", name="bad-command")
async def command(node: Node) -> None:
    plugin.rpc("One more.", name="one-more")(lambda node: None)
    await node.call("register", plugin.manifest())


if __name__ == "__main__":
    plugin.run()
