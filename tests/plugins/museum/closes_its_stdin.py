"""It closes its standard input, through which it would hear of its node's end."""

import os

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("closes-its-stdin", version="1")


@plugin.rpc("Closes it.", name="bad-command")
async def command(node: Node) -> int:
    os.close(0)
    return os.getpid()


if __name__ == "__main__":
    plugin.run()
