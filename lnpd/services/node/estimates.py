"""What would a payment, an opening or a close cost? The same that would be done is planned, up to where it would begin.

Nothing is reserved and nobody hears of it: what is true now may be another sum a block later.
"""

import time
from typing import Final

from lnpd.routing.invoice_prefix import NETWORKS
from lnpd.rpc.answers import Estimate
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


class EstimateApi:
    """The part of the Backend that says what something would cost."""

    _services: Services
    commands: Commands

    async def estimate_send(
        self, address: str, amount_sat: int, feerate_per_kw: int | None, max_fee_sat: int | None = None
    ) -> Estimate:
        """What `send` would cost."""
        return await of_send(self._services, address, amount_sat, feerate_per_kw, max_fee_sat)

    async def estimate_open(
        self,
        peer: str,
        amount_sat: int,
        push_msat: int,
        channel_type: str,
        providers: tuple[str, ...],
        max_fee_sat: int | None = None,
    ) -> Estimate:
        """What `open` would cost."""
        wanted = (peer, amount_sat, push_msat, channel_type, providers, max_fee_sat)
        return await of_open(self.commands, *wanted)

    async def estimate_close(self, channel: str, force: bool, max_fee_sat: int | None = None) -> Estimate:
        """What `close` would cost, and bring."""
        driver = self._services.channels.driver_of(channel)
        return await of_close(self._services, self.commands, driver, force, max_fee_sat)

    async def estimate_pay(
        self, invoice: str, amount_msat: int | None, route: tuple[str, ...] = (), max_fee_msat: int | None = None
    ) -> Estimate:
        """What `pay` would cost."""
        return await of_pay(self._services, invoice, amount_msat, route, max_fee_msat)


async def of_send(
    services: Services, address: str, amount_sat: int, feerate_per_kw: int | None, max_fee_sat: int | None
) -> Estimate:
    """Of a payment on chain. Raises InsufficientFunds, AddressRefused, OutputTooSmall, FeeTooHigh."""
    output = TxOut(amount_sat, services.wallet.scripts.script_of(address))
    require_relayable(output)
    feerate = feerate_per_kw or await services.watcher.feerate(CONFIRM_BLOCKS)
    chosen = await services.wallet.require(output, feerate)
    require_modest(chosen, amount_sat, max_fee_sat)
    return _spent(chosen, amount_sat, address, max_fee_sat)


async def of_open(
    commands: Commands,
    peer: str,
    amount_sat: int,
    push_msat: int,
    channel_type: str,
    providers: tuple[str, ...],
    max_fee_sat: int | None,
) -> Estimate:
    """Of an opening. Raises as it would."""
    wanted = (bytes.fromhex(peer), amount_sat, push_msat, channel_type, providers, max_fee_sat)
    _, chosen = await commands.planned(*wanted)
    note = f"{push_msat // 1000:,} sat of it are given to the peer." if push_msat else ""
    return _spent(chosen, amount_sat, peer, max_fee_sat, note)


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


def _spent(chosen: Selection, amount_sat: int, to: str, max_fee_sat: int | None, note: str = "") -> Estimate:
    fee_msat = 1000 * chosen.fee_sat
    most_msat = fee_msat if max_fee_sat is None else 1000 * max_fee_sat
    return Estimate(1000 * amount_sat, fee_msat, most_msat, 1000 * amount_sat + fee_msat, to, note=note)


async def of_close(
    services: Services, commands: Commands, driver: ChannelDriver, force: bool, max_fee_sat: int | None
) -> Estimate:
    """Of a close. Raises ChainError, FeeTooHigh."""
    channel = driver.channel
    ours_msat, opened = channel.base.balances_msat[channel.us], channel.us == 0
    if force:
        fee_sat = most_sat = await commands.forced_fee_sat(channel, max_fee_sat)
        note = FORCED
    else:
        least_sat, most_sat = await commands.close_fees_sat(max_fee_sat if opened else None)
        usual_sat = min(max(feerate_of(channel.base.states) * CLOSE_WEIGHT // 1000, least_sat), most_sat)
        fee_sat, most_sat = (usual_sat, most_sat) if opened else (0, 0)
        note = "" if opened else THEIRS_PAY
    back_msat = max(0, ours_msat - 1000 * fee_sat)
    return Estimate(ours_msat, 1000 * fee_sat, 1000 * most_sat, back_msat, "wallet", note=note)
