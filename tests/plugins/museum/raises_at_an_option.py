"""It raises when one of its options is changed."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("raises-at-an-option", version="1")
plugin.option("mood", str, "good", "what it is like", dynamic=True)


@plugin.on_option
async def moment(node: Node, name: str, value: str) -> None:
    raise ValueError("my bug")


if __name__ == "__main__":
    plugin.run()
