"""How does a plugin open channels on an output that others fund?"""

from typing import Final

from lnpd_sdk.services.factories import Ancestors, DropUnfunded, FundUnfunded, Opening, OpenUnfunded

from lnpd.channel.foreign import MAX_ANCESTORS, MAX_WEIGHT
from lnpd.errors import AncestorsUnfit, UnknownPeer
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there
from lnpd.tx.transaction import Tx, parse

NODE_ID_BYTES: Final = 33


async def open_unfunded(desk: Desk, plugin: Plugin, wanted: OpenUnfunded) -> Opening:
    """What Factories.open raises, and UnknownPeer."""
    begun = await there(desk.factories).open(
        plugin.name, _node_id(wanted.peer), wanted.amount_sat, wanted.push_msat, wanted.channel_type
    )
    return Opening(begun.key, begun.output.script_pubkey, begun.output.value_sat)


async def fund_unfunded(desk: Desk, plugin: Plugin, named: FundUnfunded) -> str:
    """What Factories.fund raises."""
    transactions = _parsed(named.transactions)
    channel = await there(desk.factories).fund(plugin.name, named.opening, named.vout, transactions)
    return channel.id.hex()


async def keep_ancestors(desk: Desk, plugin: Plugin, kept: Ancestors) -> None:
    """What Factories.keep raises."""
    await there(desk.factories).keep(plugin.name, kept.channel_id, _parsed(kept.transactions))


async def drop_unfunded(desk: Desk, plugin: Plugin, wanted: DropUnfunded) -> None:
    """NoSuchOpening."""
    await there(desk.factories).drop(plugin.name, wanted.opening)


def _parsed(transactions: tuple[bytes, ...]) -> tuple[Tx, ...]:
    if len(transactions) > MAX_ANCESTORS or sum(map(len, transactions)) > MAX_WEIGHT:
        raise AncestorsUnfit(f"At most {MAX_ANCESTORS} transactions are kept, of {MAX_WEIGHT:,} weight units.")
    return tuple(map(parse, transactions))


def _node_id(text: str) -> bytes:
    try:
        node_id = bytes.fromhex(text)
    except ValueError:
        node_id = b""
    if len(node_id) != NODE_ID_BYTES:
        raise UnknownPeer(f"{text[:80]!r} is no node id: 33 bytes in hex.")
    return node_id


OFFERS: Final = (
    Offer(
        "open_unfunded",
        "factory",
        OpenUnfunded,
        Opening,
        "Opens a channel up to its funding, which others make; what that has to pay.",
        "opening = await node.open_unfunded(peer, 500_000)",
        open_unfunded,
    ),
    Offer(
        "fund_unfunded",
        "factory",
        FundUnfunded,
        str,
        "Names the output that funds such a channel; its channel_id, once both sides have signed.",
        "channel_id = await node.fund_unfunded(opening.opening, 0, (transaction,))",
        fund_unfunded,
    ),
    Offer(
        "keep_ancestors",
        "factory",
        Ancestors,
        None,
        "Keeps what leads to a channel's funding, for a forced close.",
        "await node.keep_ancestors(channel_id, (signed,))",
        keep_ancestors,
    ),
    Offer(
        "drop_unfunded",
        "factory",
        DropUnfunded,
        None,
        "Gives such an opening up.",
        "await node.drop_unfunded(opening.opening)",
        drop_unfunded,
    ),
)
