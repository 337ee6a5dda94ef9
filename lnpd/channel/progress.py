"""What does a channel do of itself, once something has changed?

Four things wait for a state of the log rather than for an event. Whoever changes the log ends with `after_change`,
which does what has become due, in this order: send removals that were decided; send stfu; send shutdown; begin to
negotiate the closing transaction.
"""

from collections.abc import Generator, Mapping
from typing import Any

from lnpd_sdk.types import OPENER
from msgspec.structs import replace

from lnpd.channel import commitments
from lnpd.channel.actions import Action, Notify, Send
from lnpd.channel.audit import check_base
from lnpd.channel.negotiation import first_offer
from lnpd.channel.proposals import admit
from lnpd.channel.queries import AskClose, FindRow, ask
from lnpd.channel.releases import after_close, paid_to_others, who_blocks
from lnpd.channel.removals import RemovalMessage, being_removed, removal_update
from lnpd.channel.state import AwaitingReady, Channel, Negotiating, Normal, Quiescence, ShuttingDown
from lnpd.channel.table import Step
from lnpd.errors import ProtocolError, RemovalRefused, UpdatesDoNotCommute
from lnpd.tx.states import htlcs_of
from lnpd.wire.message import from_row
from lnpd.wire.messages import Shutdown, Stfu

Doing = Generator[Any, Any, tuple[Channel, list[Action]]]  # Any: each reply is typed by its own query


def after_change(channel: Channel, actions: list[Action], fresh: Mapping[int, RemovalMessage] | None = None) -> Step:
    """The end of a step that changed something. `fresh` are messages of decisions whose rows this step stores."""
    actions = list(actions)
    if not channel.live:
        return channel, actions
    channel, removals = yield from _send_removals(channel, fresh or {})
    channel, stfu = _send_stfu(channel)
    channel, shutdown = _send_shutdown(channel)
    channel, closing = yield from _begin_closing(channel)
    return channel, [*actions, *removals, *stfu, *shutdown, *closing]


def _send_removals(channel: Channel, fresh: Mapping[int, RemovalMessage]) -> Doing:
    actions: list[Action] = []
    if channel.funding_undone:  # a preimage is worth nothing to us if the funding never comes back
        return channel, actions
    if channel.quiescence.sent or channel.quiescence.received or not isinstance(channel.phase, Normal | ShuttingDown):
        return channel, actions
    on_the_way = being_removed(channel, channel.us) if channel.decisions else frozenset()
    for decision in channel.decisions:
        if decision.id in on_the_way:
            continue
        message = fresh.get(decision.id)
        if message is None:
            row = yield from ask(FindRow("decision", str(decision.id)))
            assert row is not None, "a decision's message is kept with it"
            found = from_row(row)
            assert isinstance(found, RemovalMessage)
            message = found
        try:
            channel, rows = yield from admit(channel, removal_update(channel.us, message), message)
        except UpdatesDoNotCommute:
            continue  # it waits until what the peer has pending is irrevocable
        except ProtocolError as error:  # the core's own rules allow every removal: a provider forbids this one
            raise RemovalRefused(f"Our removal of HTLC {decision.id} is refused: {error}") from error
        actions += [*rows, Send(message)]
    return channel, actions


def own_updates_pending(channel: Channel) -> bool:
    """Whether any update of ours is not irrevocable yet."""
    return any(p.update.proposer == channel.us for p in channel.log)


def _send_stfu(channel: Channel) -> tuple[Channel, list[Action]]:
    quiescence = channel.quiescence
    if quiescence.sent or not (quiescence.wanted or quiescence.received) or own_updates_pending(channel):
        return channel, []
    if not isinstance(channel.phase, Normal | ShuttingDown):
        return channel, []
    if channel.shutdown[channel.us] and not quiescence.received:
        return channel, []  # after our shutdown the peer may negotiate already; only an answer is still due
    message = Stfu(channel_id=channel.id, initiator=0 if quiescence.received else 1)
    initiator = channel.them if quiescence.received else None
    return quiet(replace(channel, quiescence=replace(quiescence, sent=True, initiator=initiator)), [Send(message)])


def quiet(channel: Channel, actions: list[Action]) -> tuple[Channel, list[Action]]:
    """Say that the channel is quiescent, if it is now."""
    if not channel.quiescence.quiescent:
        return channel, actions
    initiator = "us" if channel.quiescence.initiator == channel.us else "peer"
    fields = (("channel", channel.key), ("initiator", initiator))
    return channel, [*actions, Notify("quiescence", "channel_quiescent", fields)]


def _send_shutdown(channel: Channel) -> tuple[Channel, list[Action]]:
    """BOLT 2: not while updates of ours are pending on the peer's commitment; not twice."""
    if not channel.shutdown_script or channel.shutdown[channel.us] or channel.quiescence != Quiescence():
        return channel, []
    if any(p.update.proposer == channel.us and p.stage < 2 for p in channel.log):
        return channel, []
    channel = with_shutdown(channel, channel.us, channel.shutdown_script)
    return channel, [Send(shutdown_message(channel))]


def shutdown_message(channel: Channel) -> Shutdown:
    """Our shutdown, also when it is retransmitted."""
    return Shutdown(channel_id=channel.id, scriptpubkey=channel.shutdown[channel.us])


def with_shutdown(channel: Channel, party: int, script: bytes) -> Channel:
    """The channel after this party's shutdown."""
    scripts = (script, channel.shutdown[1]) if party == OPENER else (channel.shutdown[0], script)
    phase = ShuttingDown() if isinstance(channel.phase, AwaitingReady | Normal) else channel.phase
    return replace(channel, shutdown=scripts, phase=phase)


def is_clear(channel: Channel) -> bool:
    """Whether nothing is pending: no HTLC, no update, no revocation owed by either side (BOLT 2, Channel Close)."""
    return (
        all(channel.shutdown)
        and channel.shutdown_heard
        and not channel.log
        and not channel.awaiting_revocation
        and not htlcs_of(channel.base.states)
    )


def _begin_closing(channel: Channel) -> Doing:
    if not isinstance(channel.phase, ShuttingDown) or not is_clear(channel):
        return channel, []
    check_base(channel)
    view = commitments.fold_view(channel, OPENER, channel.numbers[OPENER])
    answers = yield from ask(AskClose(channel.channel_type, view, channel.base.states))
    blocked = who_blocks(channel, answers)
    if blocked:
        fields = (("channel", channel.key), *((f"blocked by {name}", reason) for name, reason in blocked))
        return replace(channel, blocked_by=blocked), [Notify("closing", "close_blocked", fields)]
    balances = after_close(channel.base.balances_msat, answers)
    phase = Negotiating(balances, others=paid_to_others(channel, answers))
    channel = replace(channel, phase=phase, blocked_by=(), quiescence=Quiescence())
    return (yield from first_offer(channel))
