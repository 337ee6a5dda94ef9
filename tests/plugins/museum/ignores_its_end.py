"""It hears neither SIGTERM nor the node's stop."""

import signal

from lnpd_sdk.client import Client
from lnpd_sdk.envelope import Frame, Notice
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("ignores-its-end", version="1")
for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(each, signal.SIG_IGN)


def deaf(self: Client, frame: Frame, receive=Client._receive) -> None:  # type: ignore[no-untyped-def]
    if not isinstance(frame, Notice):
        receive(self, frame)


Client._receive = deaf  # type: ignore[method-assign]


@plugin.rpc("Says that it lives.", name="bad-command")
async def command(node: Node) -> str:
    return "here"


if __name__ == "__main__":
    plugin.run()
