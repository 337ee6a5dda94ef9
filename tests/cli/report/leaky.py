"""A plugin that says whatever it is told, in the node's log and on its own output, secrets too."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("leaky", "1", "Says everything.")
plugin.option("api_key", str, "", "somebody's key")


@plugin.rpc("Says it.", name="leak")
async def leak(node: Node, text: str) -> None:
    """Twice."""
    print(f"printed: {text}", flush=True)
    await node.log("warning", f"logged: {text}")


if __name__ == "__main__":
    plugin.run()
