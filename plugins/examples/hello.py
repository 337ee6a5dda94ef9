"""hello: a command of its own, and a line in the node's log for each peer."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("hello", "0.1.0", "Greets people and peers.")


@plugin.rpc("Greets somebody.", name="hello", example="lnp hello Ada")
async def hello(node: Node, name: str) -> str:
    """The parameters and the answer are JSON values."""
    return f"Hello, {name}."


@plugin.hook("peer_connected")
async def greet(node: Node, node_id: str, **more: object) -> None:
    """A hook's fields come by name."""
    await node.log("info", f"hello, {node_id}")


if __name__ == "__main__":
    plugin.run()
