"""It wants to be asked before the guest, and after it."""

from lnpd_sdk.plugin import Plugin

plugin = Plugin("closes-a-circle", version="1")


@plugin.hook("peer_connected", before=("guest",), after=("guest",))
async def connected(node: object, **fields: object) -> None:
    return None


if __name__ == "__main__":
    plugin.run()
