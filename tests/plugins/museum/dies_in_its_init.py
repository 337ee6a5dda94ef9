"""Its process ends when it is given its options."""

import os

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("dies-in-its-init", version="1")


@plugin.on_init
async def moment(node: Node) -> None:
    os._exit(7)


if __name__ == "__main__":
    plugin.run()
