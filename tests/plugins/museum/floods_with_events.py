"""It publishes as fast as it can."""

import asyncio

from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("floods-with-events", version="1")
plugin.topic("floods-with-events/drop", "One more.")


@plugin.rpc("Floods.", name="bad-command")
async def command(node: Node) -> list[str]:
    for _ in range(20):  # a busy machine may take so long for the first thousand that they were within the pace
        told = [node.publish("floods-with-events/drop", number=number) for number in range(1_200)]
        faults = [each for each in await asyncio.gather(*told, return_exceptions=True) if isinstance(each, CallFailed)]
        if faults:
            return sorted({fault.code for fault in faults})
    return []


if __name__ == "__main__":
    plugin.run()
