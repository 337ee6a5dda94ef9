"""It raises when it hears of an event."""

from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.questions import Event

plugin = Plugin("raises-at-an-event", version="1")


@plugin.on("guest/word")
async def heard(node: Node, event: Event) -> None:
    raise ValueError("my bug")


if __name__ == "__main__":
    plugin.run()
