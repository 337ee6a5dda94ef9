"""rgb: RGB assets, on chain.

    pip install './lnpd[rgb]'
    lnpd --plugin=plugins/rgb.py --grant rgb=rpc:info --option rgb.electrum=tcp://127.0.0.1:50001
    lnp rgb address                   send it some satoshi: tokens sit on outputs of the RGB wallet's own
    lnp rgb issue USDX 100000
    lnp rgb invoice --amount 1200     asks for tokens, and says what the payer is to be given
    lnp rgb send 'INVOICE'            pays that, and names a file that the recipient needs
    lnp rgb receive FILE              takes it
    lnp rgb balance

Experimental: `lnp rgb info` says what of it.
"""

from lnpd_sdk.plugin import Node, Plugin

from rgb_engine.commands import Desk

plugin = Plugin("rgb", "0.1.0", "RGB assets: issue, send, receive.", capabilities=("rpc:info",))
desk = Desk(plugin)


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
