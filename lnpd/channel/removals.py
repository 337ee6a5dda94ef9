"""Which HTLC does a removal mean, and what is it as an update?"""

from typing import Final, Literal

import msgspec
from lnpd_sdk.types import FailHtlc, FulfillHtlc, Htlc, Party, Update

from lnpd.channel.state import Channel
from lnpd.channel.updates import is_removal
from lnpd.tx.states import HTLC, htlc_state_of
from lnpd.wire.messages import UpdateFailHtlc, UpdateFailMalformedHtlc, UpdateFulfillHtlc

RemovalMessage = UpdateFulfillHtlc | UpdateFailHtlc | UpdateFailMalformedHtlc
RemovalKind = Literal["fulfill", "fail", "fail_malformed"]
REMOVAL_KINDS: Final[dict[type[RemovalMessage], RemovalKind]] = {
    UpdateFulfillHtlc: "fulfill",
    UpdateFailHtlc: "fail",
    UpdateFailMalformedHtlc: "fail_malformed",
}


def htlc_at(channel: Channel, offerer: Party, identity: int) -> Htlc | None:
    """The irrevocably committed HTLC of this offerer and id: only such a one may be removed (BOLT 2)."""
    return htlc_state_of(channel.base.states).find(offerer, identity)


def being_removed(channel: Channel, remover: Party) -> frozenset[int]:
    """The ids of the HTLCs of which this party's removal is pending."""
    return frozenset([p.update.id for p in channel.log if p.update.proposer == remover and is_removal(p.update)])


def removal_update(proposer: Party, message: RemovalMessage) -> Update:
    """The update that a removal means: its reason does not shape a commitment."""
    body: FulfillHtlc | FailHtlc = FailHtlc()
    if isinstance(message, UpdateFulfillHtlc):
        body = FulfillHtlc(message.payment_preimage)
    return Update(proposer, HTLC, REMOVAL_KINDS[type(message)], message.id, msgspec.msgpack.encode(body))
