"""It writes to the log, by both ways, as fast as it can."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("floods-the-log", version="1")


@plugin.rpc("Floods.", name="bad-command")
async def command(node: Node) -> str:
    for number in range(2_000):
        print(f"line {number} " + "x" * 200)
        await node.log("error", f"line {number}\nlnpd: all is lost")
    return "all said"


if __name__ == "__main__":
    plugin.run()
