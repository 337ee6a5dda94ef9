"""It hangs when a peer's message comes."""

import time
from typing import Any

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("hangs-in-a-message", version="1", capabilities=("messages",))
plugin.messages("message,41105,hangs_word\ndata,u8,what")


@plugin.rpc("Says a word to a peer.", name="bad-command")
async def command(node: Node, node_id: str) -> None:
    await node.send(node_id, "hangs_word", {"what": 1})


@plugin.message("hangs_word")
async def heard(node: Node, node_id: str, fields: dict[str, Any]) -> None:
    time.sleep(1000)


if __name__ == "__main__":
    plugin.run()
