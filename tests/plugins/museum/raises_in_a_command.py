"""Its command raises."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("raises-in-a-command", version="1")


@plugin.rpc("Raises.", name="bad-command")
async def command(node: Node) -> None:
    raise ValueError("my bug\nlnpd: all is well")


if __name__ == "__main__":
    plugin.run()
