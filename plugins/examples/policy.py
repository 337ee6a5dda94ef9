"""policy: which channels do we accept? Too small ones, and those of strangers if we like, are refused politely.

lnpd --plugin=plugins/examples/policy.py --grant policy=hook:open_channel_received --option policy.least_sat=500000
lnp plugin set policy friends_only true
lnp policy-befriend NODE_ID
"""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("policy", "0.1.0", "Chooses which channels are accepted.", ("hook:open_channel_received",))
least_sat = plugin.option("least_sat", int, 100_000, "the smallest channel that is accepted, in sat", dynamic=True)
friends_only = plugin.option("friends_only", bool, False, "accept channels of friends only", dynamic=True)


@plugin.hook("open_channel_received")
async def judge(node: Node, node_id: str, funding_sat: int, **more: object) -> str | None:
    """A text is the refusal that the peer reads; None leaves it to the node, and to plugins behind this one."""
    if funding_sat < least_sat.value:
        return f"{funding_sat} sat are too few: {least_sat.value} at least"
    if friends_only.value and await node.kv_get(f"friend/{node_id}") is None:
        return "this node accepts channels of its friends only"
    return None


@plugin.rpc("Accepts channels of a node although only friends may open some.", example="lnp policy-befriend 02eec7...")
async def befriend(node: Node, node_id: str) -> str:
    """It is kept in the node's database."""
    await node.kv_put(f"friend/{node_id}", b"")
    return f"{node_id} is a friend now."


@plugin.rpc("The nodes that were befriended.")
async def friends(node: Node) -> list[str]:
    """Their ids."""
    page = await node.kv_list("friend/")
    return [row.key.decode().removeprefix("friend/") for row in page.rows]


if __name__ == "__main__":
    plugin.run()
