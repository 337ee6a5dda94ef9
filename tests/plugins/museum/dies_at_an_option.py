"""Its process ends when one of its options is changed."""

import os

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("dies-at-an-option", version="1")
plugin.option("mood", str, "good", "what it is like", dynamic=True)


@plugin.on_option
async def moment(node: Node, name: str, value: str) -> None:
    os._exit(7)


if __name__ == "__main__":
    plugin.run()
