"""It hangs when one of its options is changed."""

import time

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("hangs-at-an-option", version="1")
plugin.option("mood", str, "good", "what it is like", dynamic=True)


@plugin.on_option
async def moment(node: Node, name: str, value: str) -> None:
    time.sleep(1000)


if __name__ == "__main__":
    plugin.run()
