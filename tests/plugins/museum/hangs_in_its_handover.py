"""It hangs when it is to hand over to its next life."""

import time

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("hangs-in-its-handover", version="1")


@plugin.on_handover
async def moment(node: Node) -> bytes:
    time.sleep(1000)


if __name__ == "__main__":
    plugin.run()
