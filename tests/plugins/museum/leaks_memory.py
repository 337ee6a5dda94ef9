"""It takes memory until there is none."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("leaks-memory", version="1")
kept: list[bytes] = []


@plugin.rpc("Leaks.", name="bad-command")
async def command(node: Node) -> None:
    while True:
        kept.append(bytes([1]) * 16_000_000)


if __name__ == "__main__":
    plugin.run()
