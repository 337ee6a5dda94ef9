"""Its process ends in a hook."""

import os

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("dies-in-a-hook", version="1")


@plugin.hook("peer_connecting")
async def connecting(node: Node, **fields: object) -> object:
    os._exit(7)


if __name__ == "__main__":
    plugin.run()
