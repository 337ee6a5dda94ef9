"""What waits in a channel's mailbox, and which of it may not wait for a provider?"""

import asyncio
from dataclasses import dataclass, field

from lnpd.channel.events import (
    Block,
    Event,
    Fail,
    FailMalformed,
    ForceClose,
    Fulfill,
    FundingFailed,
    FundingProvided,
    GiveUp,
    OutputSpent,
    OutputUnspent,
    PutWitness,
    SpendSeen,
    TransactionConfirmed,
    TransactionUnconfirmed,
)
from lnpd.channel.state import Channel
from lnpd.errors import OutputRefused, ProviderContradiction, ProviderFault, StoreClosed, StoreHalted
from lnpd.hooks.trace import Trace, current
from lnpd.services.channels.parts import Link
from lnpd.wire.base import Message

CHAIN = (TransactionConfirmed, TransactionUnconfirmed, OutputSpent, SpendSeen, OutputUnspent, Block)
# What this node did: nobody says it twice.
LASTING = (Fulfill, Fail, FailMalformed, PutWitness, FundingProvided, FundingFailed)
OURS = (*CHAIN, *LASTING)  # no peer sends it, and no reconnect brings it again
URGENT = (*CHAIN, Fulfill, PutWitness, ForceClose, GiveUp)
FAULTS = (ProviderFault, ProviderContradiction, OutputRefused)  # a provider is missing, late, or wrong
STORELESS = (StoreHalted, StoreClosed)  # nothing is stored any more in this life of the node


@dataclass
class Item:
    """Something that waits in the mailbox. `link` is the connection that a message came over, `trace` what caused the
    event."""

    event: Event | Message
    link: Link | None = None
    done: "asyncio.Future[Channel] | None" = None
    inbox: str = ""
    fed: bool = field(default=False)  # by the driver itself
    trace: Trace | None = field(default_factory=current)

    @property
    def urgent(self) -> bool:
        """Whether it may not wait for a provider."""
        return isinstance(self.event, URGENT)

    def fail(self, error: Exception) -> None:
        """Tells who waits for it, if anybody still does."""
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)
