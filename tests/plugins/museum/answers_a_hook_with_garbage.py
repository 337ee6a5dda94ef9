"""It answers a hook with what the hook does not ask for."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("answers-a-hook-with-garbage", version="1")


@plugin.hook("peer_connecting")
async def connecting(node: Node, **fields: object) -> object:
    return {"refuse": ["everybody"]}


if __name__ == "__main__":
    plugin.run()
