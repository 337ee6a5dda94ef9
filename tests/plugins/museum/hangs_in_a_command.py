"""Its command waits for ever, and awaits nothing."""

import time

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("hangs-in-a-command", version="1")


@plugin.rpc("Hangs.", name="bad-command")
async def command(node: Node) -> None:
    time.sleep(1000)


if __name__ == "__main__":
    plugin.run()
