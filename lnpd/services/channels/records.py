"""Which records of their own do plugins add to the messages of this node's channels?

Odd ones alone, of types that their manifests add to the message's TLV stream, and as their rows say: whoever does not
know them ignores them (BOLT 1), and nobody can be made to send what its own codec refuses. Asked outside a channel's
batch, before the message is made: what an update carries is stored with it, and sent again as it was.
"""

import logging
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from lnpd.channel.events import Add
from lnpd.channel.state import Channel
from lnpd.errors import WireError
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.services.recipients import CIRCUIT
from lnpd.tx.graph import ChannelType
from lnpd.wire.codec import Codec
from lnpd.wire.messages import OpenChannel

log = logging.getLogger("lnpd.channels")
HOOK: Final = "outgoing_records"
RECORD_BYTES: Final = 16  # of each record, for its type and length
# All plugins' together. What an HTLC carries is stored on both sides, and bounded there (lnpd.channel.limits).
MOST_BYTES: Final = {"open_channel": 4_000, "accept_channel": 4_000, "update_add_htlc": 256}
MAX_DIGITS: Final = 20

Records = tuple[tuple[int, bytes], ...]


class OutgoingRecords:
    """Asks plugins for records."""

    def __init__(self, hooks: Hooks, registry: Registry) -> None:
        self._hooks, self._registry = hooks, registry
        self._codec = Codec(registry.spoken)

    async def of(
        self,
        name: str,
        peer: bytes,
        channel_id: bytes,
        kind: ChannelType,
        amount_msat: int,
        payment_hash: bytes = b"",
        incoming: str = "",
        received: Records = (),
    ) -> Records:
        """Types and values for a message about to be made, in ascending order; the fields are the hook's."""
        if not self._hooks.wanted(HOOK):
            return ()
        providers = ",".join(pin.name for pin in kind.providers if pin.name not in CORE_PROVIDERS)
        known = {"name": name, "node_id": peer.hex(), "channel_id": channel_id.hex(), "providers": providers}
        if not self._hooks.cares(HOOK, **known):
            return ()
        answers = await self._hooks.every(
            HOOK,
            None,
            **known,
            amount_msat=amount_msat,
            payment_hash=payment_hash.hex(),
            incoming=incoming,
            received=shown(received),
        )
        found: dict[int, bytes] = {}
        for plugin, given in answers:
            if why := self.wrong_with(plugin, name, given):
                log.warning("what %s adds to %s is left out: %s", plugin, name, why)
                continue
            more = {int(number): bytes.fromhex(value) for number, value in given.items()}
            if _size({**found, **more}) > MOST_BYTES[name]:
                log.warning("what %s adds to %s is left out: over %d bytes", plugin, name, MOST_BYTES[name])
            else:
                found |= more
        return tuple(sorted(found.items()))

    async def answering(self, message: OpenChannel, peer: bytes, kind: ChannelType) -> Records:
        """For the accept_channel that answers an open_channel."""
        amount_msat, theirs = 1000 * message.funding_satoshis, message.tlvs.unknown
        parts = "accept_channel", peer, message.temporary_channel_id, kind, amount_msat
        return await self.of(*parts, received=theirs)

    async def added(self, channel: Channel, add: Add) -> Add:
        """The same command, with records for its update_add_htlc."""
        incoming = add.reference.removeprefix(CIRCUIT) if add.reference.startswith(CIRCUIT) else ""
        parts = "update_add_htlc", channel.peer, channel.id, channel.channel_type
        found = await self.of(*parts, add.amount_msat, add.payment_hash, incoming)
        return replace(add, tlvs=(*add.tlvs, *found)) if found else add

    def wrong_with(self, plugin: str, name: str, given: dict[str, str]) -> str:
        """Why a plugin may not add these records to a message; empty if it may."""
        if self._codec.catalogue is not self._registry.spoken:
            self._codec = Codec(self._registry.spoken)
        for number, value in given.items():
            if why := self._wrong(plugin, f"{name}_tlvs", number, value):
                return why
        return ""

    def _wrong(self, plugin: str, stream: str, number: str, value: str) -> str:
        if not (number.isascii() and number.isdecimal() and len(number) <= MAX_DIGITS) or str(int(number)) != number:
            return f"{number[:MAX_DIGITS]!r} is no type"
        if int(number) % 2 == 0:
            return f"the type {number} is even: a peer that does not know it would end the connection"
        row = self._codec.catalogue.record(stream, int(number))
        if row is None:
            return f"its rows add no type {number} to {stream}, or it was not granted `messages`"
        if row.owner != plugin:
            return f"the type {number} of {stream} is {row.owner}'s"
        try:
            self._codec.decode_record(stream, row.name, bytes.fromhex(value))
        except (ValueError, WireError) as error:
            return f"the value of {number} is not as its rows say: {error}"
        return ""


def shown(records: Sequence[tuple[int, bytes]]) -> dict[str, str]:
    """Records as plugins are given them: type to value, in hex."""
    return {str(number): value.hex() for number, value in records}


def _size(records: dict[int, bytes]) -> int:
    return sum(RECORD_BYTES + len(value) for value in records.values())
