"""How does a channel open on an output that others fund, and what is kept for the day on which it has to be there?

    us                                 peer
     |---- open_channel ---------------->|      Open, foreign
     |<--- accept_channel ---------------|      the script is known: others make the transaction, and do not sign it yet
     |---- funding_created ------------->|      FundingNamed
     |<--- funding_signed ---------------|      nothing is broadcast: now they may sign
     |<--- channel_ready (ready.py) ---->|      when it is deep, whoever broadcast it

A commitment is worth nothing without its funding. What leads there is kept with the channel, also on the acceptor's
side if somebody there supplies it (KeepAncestors), and again once it is signed; a forced close broadcasts it first.
Whose word that is, and whether it is signed well, was found out before (services/channels/ancestors.py): what could not
be judged does not take the place of anything that is signed, and an acceptor keeps nothing else than what was judged.
"""

from typing import Final

import msgspec
from lnpd_sdk.types import ACCEPTOR, OPENER, Party
from msgspec.structs import replace

from lnpd.channel.actions import Action, Keep
from lnpd.channel.events import FundingNamed, KeepAncestors
from lnpd.channel.failure import FUNDED, as_broadcasts, kept_ancestors
from lnpd.channel.opening import channel_id_of, created, wanted_output
from lnpd.channel.queries import ClaimId, ask
from lnpd.channel.state import AwaitingFunding, Channel, Failed
from lnpd.channel.table import Step, on
from lnpd.errors import (
    AncestorsUnfit,
    FundedHere,
    NamedAmountWrong,
    NamedScriptWrong,
    NothingKept,
    OutpointTaken,
)
from lnpd.tx.transaction import Tx

# Mempools take 25 unconfirmed in a row, of 404,000 weight units: a commitment and the child that pays for it come last.
MAX_ANCESTORS: Final = 23
MAX_WEIGHT: Final = 200_000  # of all of them


@on(AwaitingFunding, FundingNamed)
def on_funding_named(channel: Channel, command: FundingNamed) -> Step:
    """Sign the peer's first commitment on the output that others fund."""
    if not channel.foreign:
        raise FundedHere("The wallet funds this channel.")
    check_ancestors(command.transactions)
    funding, wanted = command.transactions[-1], wanted_output(channel)
    named = funding.outputs[command.vout : command.vout + 1] if command.vout >= 0 else ()
    if not named or named[0].script_pubkey != wanted.script_pubkey:
        raise NamedScriptWrong(f"Output {command.vout} of {_shown(funding)} does not pay to this channel's script.")
    if (value_sat := named[0].value_sat) != wanted.value_sat:
        raise NamedAmountWrong(
            f"Output {command.vout} of {_shown(funding)} holds {value_sat} sat, the channel {wanted.value_sat}."
        )
    if not (yield from ask(ClaimId(channel_id_of(funding.txid, command.vout)))):
        raise OutpointTaken(f"Output {command.vout} of {_shown(funding)} is another channel's funding.")
    channel, actions = yield from created(channel, command.vout, funding)
    return channel, [_kept(command.transactions), *actions]


@on((*FUNDED, Failed), KeepAncestors)
def on_keep_ancestors(channel: Channel, command: KeepAncestors) -> Step:
    """Keep what leads to the funding; a channel that has failed needs it at once."""
    check_ancestors(command.transactions)
    if command.transactions[-1].txid != channel.fundings[0].txid:
        raise AncestorsUnfit(f"{_shown(command.transactions[-1])} does not fund this channel.")
    if channel.us == OPENER and not channel.foreign:
        raise FundedHere("The wallet funds this channel.")
    _check_signed(command, (yield from kept_ancestors(channel)), channel.us)
    failed = isinstance(channel.phase, Failed) and channel.phase.may_broadcast
    broadcasts: list[Action] = as_broadcasts(command.transactions) if failed else []
    return replace(channel, foreign=True), [_kept(command.transactions), *broadcasts]


def _check_signed(command: KeepAncestors, kept: tuple[Tx, ...], us: Party) -> None:
    """What is kept signed does not give way to what is not, or may not be: then nothing would bring the funding to the
    chain. On the acceptor's side nobody's own channel is at stake, and so nobody's word is enough."""
    before = {tx.txid: tx for tx in kept}
    for tx in command.transactions:
        if tx.txid in command.judged:
            continue
        if us == ACCEPTOR:
            raise AncestorsUnfit(f"{_shown(tx)} is not known to be signed: an acceptor keeps nothing else.")
        for old, new in zip(before.get(tx.txid, tx).inputs, tx.inputs, strict=True):
            if old.witness and not new.witness:
                raise AncestorsUnfit(f"{_shown(tx)} was kept signed, and is not signed here.")
            if old.witness not in ((), new.witness):
                raise AncestorsUnfit(
                    f"{_shown(tx)} was kept signed; that what is signed otherwise is valid cannot be judged here."
                )


def check_ancestors(transactions: tuple[Tx, ...]) -> None:
    """Raises NothingKept, AncestorsUnfit."""
    if not transactions:
        raise NothingKept("The transactions that lead to the funding, it among them, have to be kept with the channel.")
    if len(transactions) > MAX_ANCESTORS or sum(tx.weight for tx in transactions) > MAX_WEIGHT:
        raise AncestorsUnfit(f"At most {MAX_ANCESTORS} transactions are kept, of {MAX_WEIGHT:,} weight units.")
    if any(not tx.inputs or any(spent.script_sig for spent in tx.inputs) for tx in transactions):
        raise AncestorsUnfit("Each transaction spends segwit outputs alone: else its txid could still change.")
    for number, tx in enumerate(transactions[:-1]):
        if not any(spent.txid == tx.txid for later in transactions[number + 1 :] for spent in later.inputs):
            raise AncestorsUnfit(f"{_shown(tx)} is spent by none that follows: it does not lead to the funding.")


def _kept(transactions: tuple[Tx, ...]) -> Keep:
    return Keep("ancestors", transactions[-1].txid.hex(), msgspec.msgpack.encode(transactions))


def _shown(tx: Tx) -> str:
    return tx.txid[::-1].hex()
