"""How does a plugin spend the wallet's coins, within its limit of a day?"""

from typing import Final

from lnpd_sdk.services.coins import FundedPsbt, FundPsbt, Psbt, Reservation, ScriptWanted, SentPsbt, SignedPsbt

from lnpd.errors import AmountUnfit, NoSuchReservation
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import TARGET_BLOCKS, Desk, Offer, there
from lnpd.services.wallet.lending import MAX_OUTPUTS
from lnpd.tx.transaction import TxOut

MAX_SCRIPT_BYTES: Final = 10_000
MOST_SAT: Final = 21 * 10**14
MAX_FEERATE_PER_KW: Final = 250_000


async def fund_psbt(desk: Desk, plugin: Plugin, wanted: FundPsbt) -> FundedPsbt:
    """AmountUnfit, and what Lending.fund raises."""
    outputs = tuple(TxOut(value_sat, script) for value_sat, script in wanted.outputs)
    if not 1 <= len(outputs) <= MAX_OUTPUTS or any(
        not 0 <= each.value_sat <= MOST_SAT or len(each.script_pubkey) > MAX_SCRIPT_BYTES for each in outputs
    ):
        raise AmountUnfit(f"A PSBT is funded for 1 to {MAX_OUTPUTS} outputs of possible amounts and scripts.")
    rate = wanted.feerate_per_kw
    if rate is None:
        rate = await there(desk.feerate)(TARGET_BLOCKS)
    if not 0 <= rate <= MAX_FEERATE_PER_KW:
        raise AmountUnfit(f"A feerate is at most {MAX_FEERATE_PER_KW} sat per 1000 weight units, not {rate}.")
    lent = await there(desk.lending).fund(plugin.name, _limit_sat(desk, plugin), outputs, rate, wanted.hold_seconds)
    return FundedPsbt(lent.reservation.hex(), lent.psbt, lent.vouts, lent.fee_sat, lent.change_sat)


async def own_script(desk: Desk, _plugin: Plugin, _wanted: ScriptWanted) -> bytes:
    """Of the branch of change."""
    return await there(desk.lending).own_script()


async def sign_psbt(desk: Desk, plugin: Plugin, wanted: Psbt) -> SignedPsbt:
    """What Lending.sign raises."""
    signed = await there(desk.lending).sign(plugin.name, _limit_sat(desk, plugin), wanted.psbt, plugin.providers)
    return SignedPsbt(signed.psbt, signed.txid[::-1].hex(), signed.cost_sat)


async def send_psbt(desk: Desk, plugin: Plugin, wanted: Psbt) -> SentPsbt:
    """What Lending.send raises."""
    sent = await there(desk.lending).send(plugin.name, _limit_sat(desk, plugin), wanted.psbt, plugin.providers)
    return SentPsbt(sent.txid[::-1].hex(), sent.transaction.serialise(), sent.fee_sat)


async def release_psbt(desk: Desk, plugin: Plugin, wanted: Reservation) -> None:
    """NoSuchReservation."""
    try:
        key = bytes.fromhex(wanted.reservation)
    except ValueError:
        raise NoSuchReservation(f"{wanted.reservation[:40]!r} is the name of no reservation.") from None
    await there(desk.lending).release(plugin.name, key)


def _limit_sat(desk: Desk, plugin: Plugin) -> int:
    return int(desk.registry.granted(plugin.name, "spend") or 0)


OFFERS: Final = (
    Offer(
        "fund_psbt",
        "spend",
        FundPsbt,
        FundedPsbt,
        "Reserves coins of the wallet for outputs; a PSBT.",
        "funded = await node.fund_psbt(((50_000, script),))",
        fund_psbt,
    ),
    Offer(
        "own_script",
        "spend",
        ScriptWanted,
        bytes,
        "A new script of the wallet, to which a plugin pays without spending.",
        "script = await node.own_script()",
        own_script,
    ),
    Offer(
        "sign_psbt",
        "spend",
        Psbt,
        SignedPsbt,
        "Signs the inputs of a PSBT that are reserved or held for the plugin.",
        "signed = await node.sign_psbt(funded.psbt)",
        sign_psbt,
        dear=True,
    ),
    Offer(
        "send_psbt",
        "spend",
        Psbt,
        SentPsbt,
        "Signs a PSBT and broadcasts it.",
        "sent = await node.send_psbt(funded.psbt)",
        send_psbt,
        dear=True,
    ),
    Offer(
        "release_psbt",
        "spend",
        Reservation,
        None,
        "Frees reserved coins.",
        "await node.release_psbt(funded.reservation)",
        release_psbt,
    ),
)
