"""It raises in a hook."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("raises-in-a-hook", version="1")


@plugin.hook("peer_connecting")
async def connecting(node: Node, **fields: object) -> object:
    raise ValueError("my bug")


if __name__ == "__main__":
    plugin.run()
