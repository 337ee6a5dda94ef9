"""It hangs when it is asked about an HTLC."""

import time

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("hangs-over-an-htlc", version="1", capabilities=("hook:htlc_accepted",))


@plugin.hook("htlc_accepted")
async def accepted(node: Node, **fields: object) -> None:
    time.sleep(1000)


if __name__ == "__main__":
    plugin.run()
