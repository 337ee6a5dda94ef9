"""limiter: so many HTLCs a minute are passed on for each channel that they come from, and no more.

lnpd --plugin=plugins/examples/limiter.py --grant limiter=hook:htlc_accepted --option limiter.a_minute=120
lnp limiter-show
"""

import time

from lnpd_sdk.hooks import FailHtlc
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("limiter", "0.1.0", "Limits what is passed on for each channel.", ("hook:htlc_accepted",))
a_minute = plugin.option("a_minute", int, 60, "HTLCs that are passed on in a minute", dynamic=True)
left: dict[str, tuple[float, float]] = {}  # by channel: how many it may still send, and since when
refused: dict[str, int] = {}


@plugin.hook("htlc_accepted", final=False)
async def passing(node: Node, channel_id: str, **more: object) -> FailHtlc | None:
    """A bucket for each channel, full at first, that fills evenly. Payments to us are not asked about."""
    now = time.monotonic()
    tokens, since = left.get(channel_id, (float(a_minute.value), now))
    tokens = min(float(a_minute.value), tokens + (now - since) * a_minute.value / 60)
    if tokens < 1:
        left[channel_id] = tokens, now
        refused[channel_id] = refused.get(channel_id, 0) + 1
        return FailHtlc("temporary_node_failure")
    left[channel_id] = tokens - 1, now
    return None


@plugin.rpc("How many HTLCs were refused, by channel.", example="lnp limiter-show")
async def show(node: Node) -> dict[str, int]:
    """Since the plugin started."""
    return refused


if __name__ == "__main__":
    plugin.run()
