"""How does a channel's driver hand something to another service without losing it?

What a channel tells (actions.Told) is handled inside the batch that produced it: the recipient says what it wants
stored, which events go back into the same channel before the batch is committed, and what is to be done once it is.
Recipient and channel thereby change in one transaction; if that is never committed, neither has heard of it.
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

from lnpd.channel.actions import Told
from lnpd.channel.events import Event
from lnpd.channel.state import Channel
from lnpd.store.write import Write

CIRCUIT: Final = (
    "circuit/"  # how an HTLC's reference begins that is passed on: the incoming one's channel and id follow
)


class Effects(NamedTuple):
    """What follows from something told. `after` runs on the loop once the transaction is committed."""

    events: tuple[Event, ...] = ()
    writes: tuple[Callable[[Write], object], ...] = ()
    after: tuple[Callable[[], object], ...] = ()


class Recipient(Protocol):
    """A service that channels tell things. It must not remember anything of `told` before its `after` runs."""

    async def told(self, channel: Channel, message: Told) -> Effects:
        """What follows from a message of this channel (its state before the commit)."""
        ...


class Channels(Protocol):
    """What other services may ask of all channels."""

    def usable(self) -> tuple[Channel, ...]:
        """The channels in which an HTLC could be offered now."""
        ...

    def every(self) -> tuple[Channel, ...]:
        """All channels that are not closed."""
        ...

    def frozen(self, key: str) -> str:
        """Why nothing can be done in a channel, "" if all can."""
        ...

    def get(self, key: str) -> Channel | None:
        """A channel by its key, as last stored."""
        ...

    def deliver(self, owner: bytes) -> Awaitable[None]:
        """What is in this channel's stored inbox is in its mailbox when this returns."""
        ...

    def settled(self, key: str) -> Awaitable[None]:
        """Returns when the channel has handled, and said, all that waits."""
        ...

    def command(self, key: str, event: Event, metadata: bytes = b"") -> Awaitable[Channel]:
        """Runs a command; resolves to the channel once its effects are stored. CommandRefused says why not. `metadata`:
        of the invoice that an Add pays, if it has some."""
        ...
