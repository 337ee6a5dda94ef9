"""Its process ends when it hears of an event."""

import os

from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.questions import Event

plugin = Plugin("dies-at-an-event", version="1")


@plugin.on("guest/word")
async def heard(node: Node, event: Event) -> None:
    os._exit(7)


if __name__ == "__main__":
    plugin.run()
