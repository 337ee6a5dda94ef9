"""The smallest plugin that hears of events: how many, and may it be stuck?"""

import asyncio

from lnpd_sdk.plugin import Event, Node, Plugin

NAME = "listener"
plugin = Plugin(NAME, version="1", help="Counts what it hears.")
last = [0]
free = asyncio.Event()
free.set()


@plugin.on("payment_received")
async def heard(node: Node, event: Event) -> None:
    """One more."""
    if not free.is_set():
        await free.wait()
    last[0] += 1


@plugin.rpc("How many events it has heard of.", name=f"{NAME}-count")
async def count(node: Node) -> int:
    """At this moment."""
    return last[0]


@plugin.rpc("Is stuck from now on, or no more.", name=f"{NAME}-stick")
async def stick(node: Node, stuck: bool) -> None:
    """What it hears waits."""
    if stuck:
        free.clear()
    else:
        free.set()


if __name__ == "__main__":
    plugin.run()
