"""It hangs when it hears of an event."""

import time

from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.questions import Event

plugin = Plugin("hangs-at-an-event", version="1")


@plugin.on("guest/word")
async def heard(node: Node, event: Event) -> None:
    time.sleep(1000)


if __name__ == "__main__":
    plugin.run()
