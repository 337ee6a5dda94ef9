"""What if a reorganisation takes the funding out of the chain again? (BOLT 2 has no word for it)

    deep -> in no block -> deep again            what waited is sent, and the channel goes on
                        -> another transaction spends a coin of it: 6 deep the channel fails, 100 deep it is over

Meanwhile the funding is broadcast again, by either side, and the channel goes on to do what was agreed already, but
nothing that costs money if the funding never comes back: no update of ours is proposed, no HTLC of the peer's is shown
to whoever might answer it, and no preimage leaves. Deadlines count as ever.
"""

from collections.abc import Generator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from lnpd.channel.actions import Action, Broadcast, HtlcFailed, Keep, Notify, Send, Tell, WatchOutput
from lnpd.channel.events import OutputSpent, TransactionUnconfirmed
from lnpd.channel.failure import fail
from lnpd.channel.onchain_htlcs import unsettled
from lnpd.channel.queries import FindRow, ask
from lnpd.channel.state import AwaitingReady, Channel, Closed, Failed, Negotiating, Normal, OnChain, ShuttingDown
from lnpd.channel.table import Step, done, on
from lnpd.errors import FundingDoubleSpent
from lnpd.tx.transaction import Tx
from lnpd.wire.messages import Error as ErrorMessage

FUNDING: Final = "funding"
FAILING_DEPTH: Final = 6  # at least: from there on we do not expect the funding back
MAX_COINS: Final = 100  # of a funding whose spends are watched; with more, a double spend may be noticed by no one


def keep_funding(tx: Tx) -> Keep:
    """The row of the funding transaction: who confirmed it may have to broadcast it again."""
    return Keep("funding", tx.txid.hex(), msgspec.msgpack.encode(tx))


@on((AwaitingReady, Normal, ShuttingDown, Negotiating), TransactionUnconfirmed)
def on_unconfirmed(channel: Channel, event: TransactionUnconfirmed) -> Step:
    """The funding is in no block any more. What we said in channel_ready stays said."""
    if event.txid != channel.fundings[0].txid:
        return (yield from done(channel))
    said = channel.ready[channel.us]
    trusted = channel.minimum_depth == 0
    channel = replace(
        channel,
        depth_reached=channel.depth_reached and (said or trusted),
        funding_undone=said and not trusted,
        short_channel_id=b"",
    )
    return channel, [*(yield from _again(channel)), *_undone(channel)]


@on((Failed, OnChain), TransactionUnconfirmed)
def on_unconfirmed_after_end(channel: Channel, event: TransactionUnconfirmed) -> Step:
    """What settles the channel cannot confirm without the funding."""
    if event.txid != channel.fundings[0].txid:
        return (yield from done(channel))
    return channel, [*(yield from _again(channel)), *_undone(channel)]


def _undone(channel: Channel) -> tuple[Notify]:
    return (Notify("funding", "funding_unconfirmed", (("channel", channel.key),)),)


def _again(channel: Channel) -> Generator[Any, Any, list[Action]]:
    """Broadcast the funding, and watch what it spends: somebody else may spend it now."""
    row = yield from ask(FindRow("funding", channel.fundings[0].txid.hex()))
    if row is None:  # it was never deep
        return []
    tx = msgspec.msgpack.decode(row, type=Tx)
    depths = {"coin": max(FAILING_DEPTH, channel.minimum_depth), "coin-deep": channel.policy.resolution_depth}
    return [
        Broadcast(FUNDING, tx),
        *(
            WatchOutput(f"{name}/{number}", coin.txid, coin.vout, b"", depth)  # whose script only its owner knows
            for number, coin in enumerate(tx.inputs[:MAX_COINS])
            for name, depth in depths.items()
        ),
    ]


def on_coin_spent(channel: Channel, event: OutputSpent) -> Step:
    """A coin of the funding was spent: by the funding itself, or there will never be one."""
    if event.transaction.txid == channel.fundings[0].txid:
        return (yield from done(channel))
    other = event.transaction.txid[::-1].hex()
    if event.depth >= channel.policy.resolution_depth:
        return (yield from _over(channel, f"The funding never happened: {other} spent its coins."))
    if event.depth >= max(FAILING_DEPTH, channel.minimum_depth) and not isinstance(channel.phase, Failed):
        error = FundingDoubleSpent(f"The funding was undone, and {other} has spent its coins.")
        return (yield from fail(channel, error))
    return (yield from done(channel))


def _over(channel: Channel, reason: str) -> Step:
    """Nothing of this channel will ever be on chain: what we offered in it is ours, and was never paid."""
    failed: list[Action] = [
        Tell(f"failed/{identity}", "payments", HtlcFailed(identity, payment_hash, on_chain=True))
        for identity, payment_hash in unsettled(channel).items()
    ]
    error = [Send(ErrorMessage(channel_id=channel.id, data=reason.encode()))] if channel.link != "down" else []
    notice = Notify("phase", "channel_closed", (("channel", channel.key), ("reason", reason)))
    return done(replace(channel, phase=Closed(reason)), *failed, *error, notice)
