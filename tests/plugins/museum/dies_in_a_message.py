"""Its process ends when a peer's message comes."""

import os
from typing import Any

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("dies-in-a-message", version="1", capabilities=("messages",))
plugin.messages("message,41103,dies_word\ndata,u8,what")


@plugin.rpc("Says a word to a peer.", name="bad-command")
async def command(node: Node, node_id: str) -> None:
    await node.send(node_id, "dies_word", {"what": 1})


@plugin.message("dies_word")
async def heard(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    os._exit(7)


if __name__ == "__main__":
    plugin.run()
