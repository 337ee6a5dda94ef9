"""What would a payment, an opening or a close cost? The same that would be done is planned, up to where it would begin.

Nothing is reserved and nobody hears of it: what is true now may be another sum a block later.
"""

import time
from typing import Final

from lnpd.routing.invoice_prefix import NETWORKS
from lnpd.rpc.answers import Estimate
from lnpd.services.channels import view as channel_view
from lnpd.services.channels.commands import CLOSE_WEIGHT, CONFIRM_BLOCKS, Commands
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.node.services import Services
from lnpd.services.payments.estimate import begun, estimated
from lnpd.services.payments.offer import amount_of, readable
from lnpd.services.wallet.select import Selection, require_modest, require_relayable
from lnpd.tx.states import feerate_of
from lnpd.tx.transaction import TxOut

FORCED: Final = "What is ours can be spent after a delay, and claiming it costs another fee."
THEIRS_PAY: Final = "The peer opened the channel, and pays the fee."


async def of_send(services: Services, address: str, amount_sat: int, feerate_per_kw: int | None) -> Estimate:
    """Of a payment on chain. Raises InsufficientFunds, AddressRefused, OutputTooSmall, FeeTooHigh."""
    output = TxOut(amount_sat, services.wallet.scripts.script_of(address))
    require_relayable(output)
    feerate = feerate_per_kw or await services.watcher.feerate(CONFIRM_BLOCKS)
    chosen = await services.wallet.require(output, feerate)
    require_modest(chosen, amount_sat)
    return _spent(chosen, amount_sat, address)


async def of_open(
    commands: Commands, peer: str, amount_sat: int, push_msat: int, channel_type: str, providers: tuple[str, ...]
) -> Estimate:
    """Of an opening. Raises as it would."""
    _, chosen = await commands.planned(bytes.fromhex(peer), amount_sat, push_msat, channel_type, providers)
    note = f"{push_msat // 1000:,} sat of it are given to the peer." if push_msat else ""
    return _spent(chosen, amount_sat, peer, note)


async def of_pay(
    services: Services, text: str, amount_msat: int | None, route: tuple[str, ...], max_fee_msat: int | None
) -> Estimate:
    """Of a payment. Raises what it would raise before anything is sent."""
    prefix = next(prefix for prefix, name in NETWORKS.items() if name == services.config.network)
    request = readable(text, prefix, services.node_id, services.plugins.desk.features.table)
    if known := begun(request, await services.payments.payment(request.payment_hash)):
        return known
    now_seconds, height, usable = time.time(), services.watcher.height, services.channels.usable()
    return estimated(request, amount_of(request, amount_msat), usable, now_seconds, height, route, max_fee_msat)


def _spent(chosen: Selection, amount_sat: int, to: str, note: str = "") -> Estimate:
    fee_msat = 1000 * chosen.fee_sat
    return Estimate(1000 * amount_sat, fee_msat, fee_msat, 1000 * amount_sat + fee_msat, to, note=note)


async def of_close(services: Services, commands: Commands, driver: ChannelDriver, force: bool) -> Estimate:
    """Of a close. Raises ChainError."""
    channel = driver.channel
    ours_msat, opened = channel.base.balances_msat[channel.us], channel.us == 0
    if force:
        kept = (await channel_view.graphs(services.store, channel)).get(int(channel.us))
        fee_sat = most_sat = kept.fee_sat if kept and opened else 0
        note = FORCED
    else:
        least_sat, most_sat = await commands.close_fees_sat()
        usual_sat = min(max(feerate_of(channel.base.states) * CLOSE_WEIGHT // 1000, least_sat), most_sat)
        fee_sat, most_sat = (usual_sat, most_sat) if opened else (0, 0)
        note = "" if opened else THEIRS_PAY
    back_msat = max(0, ours_msat - 1000 * fee_sat)
    return Estimate(ours_msat, 1000 * fee_sat, 1000 * most_sat, back_msat, "wallet", note=note)
