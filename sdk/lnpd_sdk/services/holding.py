"""How does a plugin ask for the coins that are held for it, and let one go?

They came home from channels whose type pins a provider of its with `holds`: the wallet pays nothing with them. The node
tells each transaction once; what led to each coin is put together here.
"""

import msgspec

from lnpd_sdk.services.base import Asks


class HeldWanted(msgspec.Struct, frozen=True):
    """What `held_coins` takes: a channel's id in hex; empty for all channels."""

    channel_id: str = ""


class HeldPoint(msgspec.Struct, frozen=True):
    """What `release_held` takes: a coin; the txid is as explorers write it."""

    txid: str
    vout: int


class HeldRow(msgspec.Struct, frozen=True):
    """A coin as the node tells it: `path` are places in the list of transactions."""

    txid: str
    vout: int
    value_sat: int
    script_pubkey: bytes
    height: int
    channel_id: str
    path: tuple[int, ...]


class HeldRows(msgspec.Struct, frozen=True):
    """All coins, and the transactions that led to them."""

    coins: tuple[HeldRow, ...]
    transactions: tuple[bytes, ...]


class HeldCoin(msgspec.Struct, frozen=True):
    """A coin that is held for the plugin. `txid` is as explorers write it, `height` 0 while it is unconfirmed.

    `transactions` lead from the channel's funding to it, parents first, with their witnesses: a mutual close, or a
    commitment, perhaps a second stage, and the claim, whose output `vout` the coin is. Nothing leads to what a stranger
    paid.
    """

    txid: str
    vout: int
    value_sat: int
    script_pubkey: bytes
    height: int
    channel_id: str
    transactions: tuple[bytes, ...]


class HoldingAsks(Asks):
    """`Node`'s methods for what is held for the plugin."""

    async def held_coins(self, channel_id: str = "") -> tuple[HeldCoin, ...]:
        """The coins that came home from channels whose type pins a provider of the plugin's with `holds`, of all such
        channels or of one, oldest first; not those that a transaction of the wallet spends already.

        Unconfirmed ones (height 0) may still be replaced. `sign_psbt` and `send_psbt` take held coins as inputs.
        """
        told: HeldRows = await self._ask("held_coins", HeldWanted(channel_id), HeldRows)
        return tuple(_coin(row, told.transactions) for row in told.coins)

    async def release_held(self, txid: str, vout: int) -> None:
        """Lets a held coin go: there is nothing of the plugin's in it, or no more. It is an ordinary coin of the
        wallet's then, for good. CoinNotHeld."""
        await self._ask("release_held", HeldPoint(txid, vout), None)


def _coin(row: HeldRow, transactions: tuple[bytes, ...]) -> HeldCoin:
    path = tuple(transactions[place] for place in row.path)
    return HeldCoin(row.txid, row.vout, row.value_sat, row.script_pubkey, row.height, row.channel_id, path)
