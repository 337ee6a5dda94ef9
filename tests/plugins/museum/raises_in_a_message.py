"""It raises when a peer's message comes."""

from typing import Any

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("raises-in-a-message", version="1", capabilities=("messages",))
plugin.messages("message,41101,raises_word\ndata,u8,what")


@plugin.rpc("Says a word to a peer.", name="bad-command")
async def command(node: Node, node_id: str) -> None:
    await node.send(node_id, "raises_word", {"what": 1})


@plugin.message("raises_word")
async def heard(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    raise ValueError("my bug")


if __name__ == "__main__":
    plugin.run()
