"""It answers a hook as if it could make the channel's terms looser."""

from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("loosens-terms", version="1")


@plugin.hook("open_channel_received")
async def opening(node: Node, **fields: object) -> object:
    return {"minimum_depth": 0, "max_htlc_value_in_flight_msat": 2**63, "channel_reserve_sat": 0}


if __name__ == "__main__":
    plugin.run()
