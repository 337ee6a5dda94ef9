"""What does a channel's driver need of the rest of the node?"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from lnpd.channel.actions import Notify
from lnpd.channel.state import Channel, Closed, Policy
from lnpd.hooks.answers import Answers
from lnpd.services.channels.batch import Batch, Broadcasting, Watch
from lnpd.services.channels.beginnings import Beginnings
from lnpd.services.channels.caps import Caps
from lnpd.services.channels.ids import Ids
from lnpd.services.channels.opening import Demands
from lnpd.services.channels.reserve import AnchorReserve
from lnpd.services.interfaces import ChannelIndex, Signer
from lnpd.services.recipients import Recipient
from lnpd.services.signer.state import row_keys
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.wire.base import Message


class Link(Protocol):
    """A connection to the peer."""

    def send(self, *messages: Message) -> None:
        """Queues messages, which leave in this order."""
        ...

    def close(self, reason: str, message: Message | None = None) -> None:
        """Sends a last message, then closes."""
        ...


class Outside(Protocol):
    """What a driver changes beside its channel, with rows of its own in the same transaction."""

    def add_watch(self, write: Write, owner: bytes, action: Watch) -> None:
        """Watches from now on."""
        ...

    def add_broadcast(self, write: Write, owner: bytes, action: Broadcasting) -> None:
        """Broadcasts until confirmed."""
        ...

    def remove_owner(self, write: Write, owner: bytes) -> None:
        """The channel is closed for good."""
        ...

    def applied(self) -> None:
        """The transaction is committed: act on it."""
        ...


@dataclass(frozen=True)
class Settings:
    """What of the configuration concerns channels. `script` gives a fresh scriptPubKey of the wallet."""

    chain_hash: bytes
    demands: Demands
    policy: Policy
    script: Callable[[], Awaitable[bytes]]
    caps: Caps


@dataclass(frozen=True)
class Parts:
    """The services that every driver uses."""

    store: Store
    signer: Signer
    answers: Answers
    outside: Outside
    recipients: dict[str, Recipient]
    publish: Callable[[Write, Notify], None]  # writes an event's row
    changed: Callable[[Channel, Channel, tuple[Notify, ...]], None]  # after the commit: what it was, is, and published
    reserve: AnchorReserve
    require_current: Callable[[], None]  # raises ChainError while the chain is not seen as it is
    broken: Callable[[Channel, Exception], None]  # a batch was lost
    beginnings: Beginnings
    ids: Ids = field(default_factory=Ids)

    def rows_of(self, batch: Batch, index: ChannelIndex) -> Callable[[Write], None]:
        """What a batch stores outside its channel."""
        outside, key, notices = self.outside, batch.channel.key.encode(), tuple(batch.notices)

        def rows(write: Write) -> None:
            for watch in batch.watches:
                outside.add_watch(write, key, watch)
            for broadcast in batch.broadcasts:
                outside.add_broadcast(write, key, broadcast)
            if isinstance(batch.channel.phase, Closed):
                outside.remove_owner(write, key)
            for row_key in row_keys(index) if batch.given_up else ():
                write.delete_signer_state(row_key)
            for notice in notices:
                self.publish(write, notice)

        return rows

    async def tell(self, notices: list[Notify]) -> None:
        """Publishes what no batch of a channel does, in a transaction of its own; what is told leaves the list."""
        told = tuple(notices)

        def rows(write: Write) -> None:
            for notice in told:
                self.publish(write, notice)

        if told:
            await self.store.write(rows)
            del notices[: len(told)]
