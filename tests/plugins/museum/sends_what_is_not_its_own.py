"""It is granted messages, and sends those of others."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("sends-what-is-not-its-own", version="1", capabilities=("messages",))
plugin.messages("message,41201,its_own_word\ndata,u8,what")


@plugin.rpc("Sends a message.", name="bad-command")
async def command(node: Node, node_id: str, message: str) -> None:
    await node.send(node_id, message, {})


if __name__ == "__main__":
    plugin.run()
