"""Which coins has the node, as a person is told of them, and how is a held one let go?"""

from typing import Literal

from embit import script as scripts
from embit.networks import NETWORKS as EMBIT

from lnpd.channel.state import Closed, OnChain
from lnpd.errors import CoinHeld
from lnpd.rpc import answers
from lnpd.services.channels.holding import Holding, point_of
from lnpd.services.channels.view import txid_text
from lnpd.services.node.services import Services
from lnpd.services.onchain import WalletCoin
from lnpd.services.wallet.ledger import COINBASE_MATURITY
from lnpd.services.wallet.scripts import EMBIT_NETWORKS


async def funds(services: Services) -> answers.Funds:
    """The wallet's coins and our balances in channels."""
    balance = await services.wallet.balance()
    ours_msat = sum(
        each.base.balances_msat[each.us]
        for each in services.channels.every()
        if each.fundings and not isinstance(each.phase, OnChain | Closed)
    )
    return answers.Funds(
        confirmed_sat=balance.confirmed_sat,
        unconfirmed_sat=balance.unconfirmed_sat + balance.pending_sat,
        reserved_sat=balance.reserved_sat,
        immature_sat=balance.immature_sat,
        channels_msat=ours_msat,
        coins=tuple(_coin(services, coin) for coin in await services.wallet.coins()),
        held_sat=balance.held_sat,
    )


async def release(services: Services, outpoint: str, lose: bool) -> answers.Coin:
    """An ordinary coin of a held one. CoinNotHeld; CoinHeld, with what may be lost, unless that is accepted."""
    holding, (txid, _, vout) = Holding(services.store, services.wallet.rows), outpoint.partition(":")
    point = point_of(txid, int(vout))
    coin, channel_id = await holding.coin(point)
    if not lose:
        raise CoinHeld(
            f"{outpoint} ({coin.value_sat:,} sat, of the channel {channel_id[:12]}) is held for {coin.held_for}. Once"
            f" it is released the wallet spends it, and what {coin.held_for} has in it, tokens perhaps that are worth"
            " far more, is lost. If its plugin still runs, it knows better. Only if that is gone for good:"
            f" lnp coins release {outpoint} --lose"
        )
    await holding.let_go(point)
    left = [each for each in await services.wallet.coins() if (each.txid, each.vout) == point]
    return _coin(services, (left or [coin])[0])


def address_of(services: Services, script_pubkey: bytes) -> str:
    """The address of a scriptPubKey."""
    return str(scripts.Script(script_pubkey).address(EMBIT[EMBIT_NETWORKS[services.config.network]]))


def _coin(services: Services, coin: WalletCoin) -> answers.Coin:
    height = services.watcher.height
    return answers.Coin(
        outpoint=f"{txid_text(coin.txid)}:{coin.vout}",
        amount_sat=coin.value_sat,
        address=address_of(services, coin.script_pubkey),
        confirmations=0 if coin.height is None else height - coin.height + 1,
        reserved_for=coin.reserved_for or coin.held_for,
        state=_state(coin, height),
    )


def _state(coin: WalletCoin, height: int) -> Literal["confirmed", "unconfirmed", "immature", "reserved", "held"]:
    if coin.reserved_for:
        return "reserved"
    if coin.held_for:
        return "held"
    if coin.height is None:
        return "unconfirmed"
    return "immature" if coin.is_coinbase and height - coin.height + 1 < COINBASE_MATURITY else "confirmed"
