"""It settles HTLCs with a preimage of something else."""

from lnpd_sdk.hooks import ResolveHtlc
from lnpd_sdk.plugin import Node, Plugin

plugin = Plugin("resolves-with-a-wrong-preimage", version="1", capabilities=("hook:htlc_accepted",))


@plugin.hook("htlc_accepted")
async def accepted(node: Node, **fields: object) -> ResolveHtlc:
    return ResolveHtlc("00" * 32)


if __name__ == "__main__":
    plugin.run()
