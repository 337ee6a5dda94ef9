"""It says that it heard of events that have not happened yet."""

from typing import Any

from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.questions import Event, Heard, Notifications


class Bad(Plugin):
    async def hear(self, given: Notifications) -> Heard:
        await super().hear(given)
        return Heard(2**60, "and I heard more than you know")


plugin = Bad("lies-about-what-it-heard", version="1")
heard: list[Any] = []


@plugin.on("guest/word")
async def hear(node: Node, event: Event) -> None:
    heard.append(event.fields())


@plugin.rpc("What it heard.", name="bad-command")
async def command(node: Node) -> list[Any]:
    return heard


if __name__ == "__main__":
    plugin.run()
