"""fees: asks more for forwarding over a channel in which little of ours is left, and less where there is plenty.

lnpd --plugin=plugins/examples/fees.py --grant fees=rpc:channels,relay --option fees.most=2000
lnp fees-now
"""

from lnpd_sdk.plugin import Node, Plugin

STEP = 10  # of a hundred: less change than that is told to nobody

plugin = Plugin("fees", "0.1.0", "Sets the fees of channels by what is left in them.", ("rpc:channels,relay",))
least = plugin.option("least", int, 10, "millionths that are asked where all is ours", dynamic=True)
most = plugin.option("most", int, 1_000, "millionths that are asked where nothing of ours is left", dynamic=True)
asked: dict[str, int] = {}


def fee(ours_msat: int, capacity_sat: int) -> int:
    """Millionths: a straight line from `least`, where all is ours, to `most`, where nothing is."""
    return most.value - (most.value - least.value) * ours_msat // (1000 * capacity_sat)


async def adjust(node: Node) -> dict[str, int]:
    """Every channel that is open; what is asked in each."""
    for channel in await node.rpc("channels"):
        name, wanted = channel["channel_id"], fee(channel["ours_msat"], channel["capacity_sat"])
        if channel["state"] == "normal" and abs(wanted - asked.get(name, -wanted)) * 100 >= STEP * max(wanted, 1):
            await node.rpc("relay", channel=name, fee_proportional_millionths=wanted)
            asked[name] = wanted
    return asked


@plugin.hook("block_connected")
async def each_block(node: Node, **block: object) -> None:
    """Often enough: a channel_update costs its readers something."""
    await adjust(node)


@plugin.rpc("Sets the fees now.", example="lnp fees-now")
async def now(node: Node) -> dict[str, int]:
    """Channel ids, and the millionths that are asked in each."""
    return await adjust(node)


if __name__ == "__main__":
    plugin.run()
