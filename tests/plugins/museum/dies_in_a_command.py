"""Its process ends in a command."""

import os

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("dies-in-a-command", version="1")


@plugin.rpc("Dies.", name="bad-command")
async def command(node: Node) -> None:
    os._exit(7)


if __name__ == "__main__":
    plugin.run()
