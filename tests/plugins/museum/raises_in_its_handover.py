"""It raises when it is to hand over to its next life."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("raises-in-its-handover", version="1")


@plugin.on_handover
async def moment(node: Node) -> bytes:
    raise ValueError("my bug")


if __name__ == "__main__":
    plugin.run()
