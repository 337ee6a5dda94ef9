"""Its process ends when it is to hand over to its next life."""

import os

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("dies-in-its-handover", version="1")


@plugin.on_handover
async def moment(node: Node) -> bytes:
    os._exit(7)


if __name__ == "__main__":
    plugin.run()
