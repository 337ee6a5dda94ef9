"""It hangs in a hook."""

import time

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("hangs-in-a-hook", version="1")


@plugin.hook("peer_connecting")
async def connecting(node: Node, **fields: object) -> object:
    time.sleep(1000)
    return None


if __name__ == "__main__":
    plugin.run()
