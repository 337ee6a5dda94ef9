"""How is a closing transaction agreed on? (BOLT 2, Legacy Closing Negotiation; BOLT 3, Closing Transaction)

    opener                                    acceptor
     |---- closing_signed(fee, range) --------->|
     |<--- closing_signed(fee in both ranges) --|     the same fee: done
     |---- closing_signed(that fee) ----------->|     else a third message

The opener pays the fee. Nothing of a negotiation outlives its connection but what was agreed; every closing transaction
that we signed is kept, for the peer may broadcast any of them.
"""

from collections.abc import Generator, Iterator
from typing import Any

import msgspec
from lnpd_sdk.types import OPENER, PARTIES, Party
from msgspec.structs import replace

from lnpd.channel.actions import Action, Broadcast, CompleteClosing, Keep, Notify, Send, SignClosing
from lnpd.channel.scripts import dust_limit_sat
from lnpd.channel.sealing import Closing, sealed_close
from lnpd.channel.state import Channel, Negotiating
from lnpd.channel.table import Step, on
from lnpd.crypto.secp import verify
from lnpd.errors import (
    ClosingFeeChanged,
    ClosingFeeOutsideRange,
    ClosingFeeTooHigh,
    ClosingFeeWithoutProgress,
    ClosingOutputDust,
    ClosingRangesApart,
    ClosingSignatureWrong,
    ClosingTooEarly,
)
from lnpd.tx.fees import fee_sat, output_weight
from lnpd.tx.funding import spending_weight
from lnpd.tx.seals import carrier_weight, reserved, sealing
from lnpd.tx.signatures import funding_digest
from lnpd.tx.states import feerate_of
from lnpd.tx.transaction import Tx, TxIn, TxOut
from lnpd.wire.messages import ClosingSigned, ClosingSignedTlvs, FeeRange

UNSIGNED = bytes(64)
OP_RETURN = b"\x6a"  # of a carrier: no shutdown may name such a script
MIN_FEERATE_PER_KW = 253
MAX_FEE_SAT = 2**63 - 1  # no bound

Offering = Generator[Any, Any, tuple[Channel, list[Action]]]  # Any: each reply is typed by its own query


def closing_transaction(channel: Channel, fee: int, dust_sat: int, without: Party | None = None) -> Closing:
    """The closing transaction that pays this fee, without outputs below `dust_sat`, and without one party's if asked.
    What providers pay to others is always in it.

    Where a provider of the type seals it, its first output is that carrier, unfilled. Raises ClosingFeeTooHigh.
    """
    assert isinstance(channel.phase, Negotiating)
    amounts = [balance // 1000 for balance in channel.phase.balances_msat]
    amounts[OPENER] -= fee
    if amounts[OPENER] < 0:
        raise ClosingFeeTooHigh(f"closing_signed: the opener cannot pay a fee of {fee} sat.")
    outputs: list[tuple[TxOut, Party | None]] = [
        (TxOut(amounts[party], channel.shutdown[party]), party)
        for party in PARTIES
        if amounts[party] >= dust_sat and party != without
    ]
    outputs += [(each, None) for each in channel.phase.others]
    funding, pin = channel.fundings[0], sealing(channel.channel_type, "close")
    ordered = sorted(outputs, key=lambda output: (output[0].value_sat, output[0].script_pubkey))
    if pin is not None and ordered:
        ordered.insert(0, (reserved(pin), None))
    tx = Tx((TxIn(funding.txid, funding.vout),), tuple(output for output, _ in ordered))
    return Closing(tx, tuple(party for _, party in ordered))


def closing_weight(channel: Channel) -> int:
    """The weight of a closing transaction with both outputs, and with the carrier if one seals it."""
    others = channel.phase.others if isinstance(channel.phase, Negotiating) else ()
    scripts = (*channel.shutdown, *(each.script_pubkey for each in others))
    outputs = sum(map(output_weight, scripts)) + carrier_weight(channel.channel_type, "close")
    return 4 * (4 + 1 + 41 + 1 + 4) + 2 + spending_weight(channel.fundings[0]) + outputs


def our_range(channel: Channel) -> tuple[int, int]:
    """The lowest and highest fee that we accept: the user's, or what follows from the channel's feerate."""
    weight, feerate = closing_weight(channel), feerate_of(channel.base.states)
    least = fee_sat(weight, MIN_FEERATE_PER_KW)
    low, high = channel.closing_range_sat
    if high == 0:
        low, high = least, fee_sat(weight, max(feerate, MIN_FEERATE_PER_KW))
    low = min(max(low, least), high)  # for less it would not be relayed: whoever says what fee does not know the weight
    most = _most_beside_output(channel)
    return (min(low, most), min(high, most)) if most >= least else (low, high)


def _most_beside_output(channel: Channel) -> int:
    """The highest fee beside which an opener keeps its output where a provider seals closes: what is sealed for this
    party may have no other place, and no fee of the user's is worth it."""
    if channel.us != OPENER or not isinstance(channel.phase, Negotiating):
        return MAX_FEE_SAT
    if sealing(channel.channel_type, "close") is None:
        return MAX_FEE_SAT
    return channel.phase.balances_msat[OPENER] // 1000 - max(terms.dust_limit_sat for terms in channel.terms)


def preferred_fee(channel: Channel, low: int, high: int) -> int:
    """The fee at the channel's feerate, within bounds."""
    return min(max(fee_sat(closing_weight(channel), feerate_of(channel.base.states)), low), high)


def first_offer(channel: Channel) -> Offering:
    """What begins a negotiation: the opener's offer; the acceptor waits for it."""
    if channel.us != OPENER:
        return channel, []
    low, high = our_range(channel)
    return (yield from offered(channel, preferred_fee(channel, low, high), low, high))


def offered(channel: Channel, fee: int, low: int, high: int, closing: Closing | None = None) -> Offering:
    """Sign and send a closing_signed."""
    assert isinstance(channel.phase, Negotiating)
    if closing is None:
        plain = closing_transaction(channel, fee, channel.terms[channel.us].dust_limit_sat)
        closing = yield from sealed_close(channel, plain)
    message = ClosingSigned(
        channel_id=channel.id,
        fee_satoshis=fee,
        signature=UNSIGNED,
        tlvs=ClosingSignedTlvs(fee_range=FeeRange(min_fee_satoshis=low, max_fee_satoshis=high)),
    )
    phase = replace(channel.phase, our_fee_sat=fee, our_min_sat=low, our_max_sat=high)
    return replace(channel, phase=phase), [keep(closing), Send(message, (signing(channel, closing.tx, fee),))]


def keep(closing: Closing) -> Keep:
    """The row of a closing transaction."""
    return Keep("closing", closing.tx.txid.hex(), msgspec.msgpack.encode(closing), closing.tx.txid)


def signing(channel: Channel, tx: Tx, fee: int) -> SignClosing:
    """What the signer fills in, and holds against our balance."""
    assert isinstance(channel.phase, Negotiating)
    balance_sat = channel.phase.balances_msat[channel.us] // 1000
    return SignClosing(channel.fundings[0], tx, balance_sat, fee if channel.us == OPENER else 0)


@on(Negotiating, ClosingSigned)
def on_closing_signed(channel: Channel, message: ClosingSigned) -> Step:
    """Agree, or answer with another fee, as the table in BOLT 2 says."""
    assert isinstance(channel.phase, Negotiating)
    fee, phase = message.fee_satoshis, channel.phase
    closing = yield from signed_variant(channel, message)
    refuse_dust(closing.tx)
    sent = phase.our_max_sat > 0  # on this connection: negotiation restarts with each
    if sent and phase.agreed_fee_sat == fee:
        return channel, []
    if not sent and channel.us == OPENER:
        raise ClosingTooEarly("closing_signed: the opener speaks first.")
    low, high = (phase.our_min_sat, phase.our_max_sat) if sent else acceptors_range(channel, message)
    if (sent and fee == phase.our_fee_sat) or (low <= fee <= high):
        return (yield from agreed(channel, message, closing, fee, low, high))
    answer = next_fee(channel, message, low, high, sent=sent)
    phase = replace(phase, their_fee_sat=fee)
    return (yield from offered(replace(channel, phase=phase), answer, low, high))


def acceptors_range(channel: Channel, message: ClosingSigned) -> tuple[int, int]:
    """The acceptor does not pay: it only wants the transaction to be relayed (BOLT 2, closing_signed)."""
    low, high = our_range(channel)
    theirs = message.tlvs.fee_range
    return low, max(high, theirs.max_fee_satoshis) if theirs else high


def agreed(channel: Channel, message: ClosingSigned, closing: Closing, fee: int, low: int, high: int) -> Offering:
    """Broadcast the closing transaction; the peer needs our signature of it too, if it has not got it."""
    assert isinstance(channel.phase, Negotiating)
    actions: list[Action] = []
    tx = closing.tx
    if channel.phase.our_fee_sat != fee or channel.phase.our_max_sat == 0:
        channel, actions = yield from offered(channel, fee, low, high, closing)
    assert isinstance(channel.phase, Negotiating)
    phase = replace(channel.phase, their_fee_sat=fee, agreed_fee_sat=fee, agreed_txid=tx.txid)
    completing = CompleteClosing(signing(channel, tx, fee), message.signature)
    fields = (("channel", channel.key), ("txid", tx.txid[::-1].hex()), ("fee_sat", fee))
    broadcast = Broadcast("close", tx, (completing,))
    notice = Notify("phase", "close_agreed", fields)
    return replace(channel, phase=phase), [*actions, keep(closing), broadcast, notice]


def next_fee(channel: Channel, message: ClosingSigned, low: int, high: int, *, sent: bool) -> int:
    """Our answer to a fee outside our range."""
    assert isinstance(channel.phase, Negotiating)
    fee, theirs, phase = message.fee_satoshis, message.tlvs.fee_range, channel.phase
    if theirs is not None:
        least, most = max(low, theirs.min_fee_satoshis), min(high, theirs.max_fee_satoshis)
        if least > most:
            raise ClosingRangesApart(f"closing_signed: fee_range does not overlap {low} to {high} sat.")
        if channel.us == OPENER:
            raise ClosingFeeOutsideRange(f"closing_signed: a fee of {fee} sat is outside both ranges.")
        if sent:
            raise ClosingFeeChanged(f"closing_signed: the fee is {fee} sat, we answered {phase.our_fee_sat}.")
        return preferred_fee(channel, least, most)
    previous = phase.their_fee_sat
    if sent and previous and not min(phase.our_fee_sat, previous) < fee < max(phase.our_fee_sat, previous):
        raise ClosingFeeWithoutProgress(
            f"closing_signed: {fee} sat is not strictly between {phase.our_fee_sat} and {previous}."
        )
    if not sent:
        return preferred_fee(channel, low, high)
    middle = (phase.our_fee_sat + fee) // 2
    if middle in (phase.our_fee_sat, fee) or not low <= middle <= high:
        raise ClosingFeeOutsideRange(f"closing_signed: a fee of {fee} sat cannot be met within {low} to {high} sat.")
    return middle


def signed_variant(channel: Channel, message: ClosingSigned) -> Generator[Any, Any, Closing]:
    """The closing transaction that the peer signed: it drops what is dust to it, and may drop its own output."""
    funding, key = channel.fundings[0], channel.terms[channel.them].funding_key
    for plain in variants(channel, message.fee_satoshis):
        if not plain.tx.outputs:
            continue
        closing = yield from sealed_close(channel, plain)
        if verify(key, funding_digest(funding, closing.tx), message.signature):
            return closing
    raise ClosingSignatureWrong("closing_signed: the signature fits no variant of the closing transaction.")


def variants(channel: Channel, fee: int) -> Iterator[Closing]:
    """By either side's dust limit, with and without the peer's output (BOLT 3, Closing Transaction)."""
    for without in (None, channel.them):
        for party in (channel.them, channel.us):
            yield closing_transaction(channel, fee, channel.terms[party].dust_limit_sat, without)


def refuse_dust(tx: Tx) -> None:
    """BOLT 2: such a transaction would not be relayed, so the channel fails."""
    for output in tx.outputs:
        if output.value_sat < dust_limit_sat(output.script_pubkey) and output.script_pubkey[:1] != OP_RETURN:
            raise ClosingOutputDust(f"closing_signed: an output of {output.value_sat} sat is dust for its script.")
