"""It hangs when it is given its options."""

import time

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("hangs-in-its-init", version="1")


@plugin.on_init
async def moment(node: Node) -> None:
    time.sleep(1000)


if __name__ == "__main__":
    plugin.run()
