"""Which records of their own do plugins add to a message that this node is about to make?

Odd ones alone, of types that their manifests add to the message's TLV stream, and as their rows say: whoever does not
know them ignores them (BOLT 1), and nobody can be made to send what its own codec refuses. No answer is no record: who
is late, or wrong, is left out by name, and the message goes without. But what a channel's own plugin adds to an HTLC
may be what is paid: without its answer there is no offer.
"""

from collections.abc import Collection
from typing import Final

from lnpd.errors import OfferRefused, PluginFault, WireError
from lnpd.hooks.dispatch import Answered, Hooks
from lnpd.hooks.records import CARRIERS, Received, Records, size
from lnpd.hooks.registry import Registry
from lnpd.providers.types import extensions_of
from lnpd.tx.graph import ChannelType
from lnpd.wire.codec import Codec
from lnpd.wire.fields import MAX_MESSAGE_LENGTH

HOOK: Final = "outgoing_records"
MAX_DIGITS: Final = 20
NOTHING: Final = Received("open_channel")


class OutgoingRecords:
    """Asks plugins for records."""

    def __init__(self, hooks: Hooks, registry: Registry) -> None:
        self._hooks, self.registry = hooks, registry
        self._codec = Codec(registry.spoken)

    def cares(self, name: str, peer: bytes, channel_id: bytes = b"", kind: ChannelType | None = None) -> bool:
        """Whether anybody would be asked of this message, as far as is known without what it says."""
        return self._hooks.wanted(HOOK) and self._hooks.cares(HOOK, **_known(name, peer, channel_id, kind))

    async def of(
        self,
        name: str,
        peer: bytes,
        channel_id: bytes = b"",
        kind: ChannelType | None = None,
        amount_msat: int = 0,
        payment_hash: bytes = b"",
        metadata: bytes = b"",
        incoming: str = "",
        incoming_channel: bytes = b"",
        received: Received = NOTHING,
        number: int = 0,
        room: int = MAX_MESSAGE_LENGTH,
        needed: Collection[str] = (),
    ) -> Records:
        """Types and values for a message about to be made, in ascending order; the fields are the hook's.

        `room` is what the message can still take. OfferRefused if one of the `needed` plugins takes part, and refuses,
        or gives no fit answer.
        """
        if not (needed or self.cares(name, peer, channel_id, kind)):
            return ()
        answers = await self._asked(
            needed,
            **_known(name, peer, channel_id, kind),
            amount_msat=amount_msat,
            payment_hash=payment_hash.hex(),
            metadata=metadata.hex(),
            incoming=incoming,
            incoming_channel=incoming_channel.hex(),
            commitment_number=number,
            received=received,
        )
        found = dict[int, bytes]()
        for answer in answers:
            found = self._joined(found, answer, name, room, answer.plugin in needed)
        return tuple(sorted(found.items()))

    async def _asked(self, needed: Collection[str], **fields: object) -> list[Answered]:
        try:
            return await self._hooks.every(HOOK, None, needed, **fields)
        except PluginFault as error:
            raise OfferRefused(f"The plugin whose channel it is does not answer ({error}).") from None

    def _joined(
        self, found: dict[int, bytes], answer: Answered, name: str, room: int, needed: bool
    ) -> dict[int, bytes]:
        """With what one plugin adds, if it may. OfferRefused."""
        plugin, given = answer
        if isinstance(given, str):
            if needed:
                raise OfferRefused(f"The plugin {plugin} refuses the HTLC: {given}")
            why, given = "only who has a part in the channel's type refuses an HTLC", {}
        else:
            why = self.wrong_with(plugin, name, given)
        most = CARRIERS[name].most_bytes
        more = found if why else {**found, **{int(key): bytes.fromhex(value) for key, value in given.items()}}
        if (length := size(tuple(more.items()))) > min(most, room):
            why = f"over {most} bytes" if length > most else f"a message has at most {MAX_MESSAGE_LENGTH} bytes"
        if why:
            self._hooks.complain(plugin, f"what {plugin} adds to {name} is left out: {why}")
            if needed:
                raise OfferRefused(f"The plugin {plugin} adds to the HTLC what it may not: {why}.")
        return found if why else more

    def wrong_with(self, plugin: str, name: str, given: dict[str, str]) -> str:
        """Why a plugin may not add these records to a message; empty if it may."""
        if self._codec.catalogue is not self.registry.spoken:
            self._codec = Codec(self.registry.spoken)
        for number, value in given.items():
            if why := self._wrong(plugin, CARRIERS[name].stream, number, value):
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


def _known(name: str, peer: bytes, channel_id: bytes, kind: ChannelType | None) -> dict[str, str]:
    """The hook's fields that say which message it is."""
    providers = extensions_of(kind) if kind is not None else ""
    return {"name": name, "node_id": peer.hex(), "channel_id": channel_id.hex(), "providers": providers}
