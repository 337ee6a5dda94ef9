"""It raises when it is given its options."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("raises-in-its-init", version="1")


@plugin.on_init
async def moment(node: Node) -> None:
    raise ValueError("my bug")


if __name__ == "__main__":
    plugin.run()
