"""rgb: RGB assets, on chain and in channels.

    pip install './lnpd[rgb]'
    lnpd --plugin=plugins/rgb.py --option rgb.electrum=tcp://127.0.0.1:50001 --grant rgb=... (its page names them)
    lnp rgb address                   send it some satoshi: tokens sit on outputs of the RGB wallet's own
    lnp rgb issue USDX 100000
    lnp open PEER 1000000 --asset USDX:5000     a channel that holds some of it
    lnp rgb invoice USDX 1200         asks for tokens over Lightning
    lnp rgb pay INVOICE
    lnp rgb balance

Experimental: `lnp rgb info` says what of it.
"""

from lnpd_sdk.plugin import Node, Plugin

from rgb_engine.commands import Desk
from rgb_node.desk import CAPABILITIES, Channels

plugin = Plugin("rgb", "0.1.0", "RGB assets, on chain and in channels.", CAPABILITIES)
desk = Desk(plugin)
channels = Channels(plugin, desk)


@plugin.on_option
async def changed(node: Node, name: str, value: object) -> None:
    """Another Electrum server."""
    await desk.changed(name, value)


@plugin.on_handover
async def hand_over(node: Node) -> bytes:
    """The next process can open the wallet; this one opens it again, should it go on."""
    await desk.close()
    return b""


@plugin.on_stop
async def stop(node: Node) -> None:
    """Nothing of the wallet is lost if this is late."""
    await desk.close()


if __name__ == "__main__":
    plugin.run()
