"""What does a plugin supply late, to open what waits for it on the chain? (put_witness)

    plugin                                     channel
     |---- a preimage, an adaptor's secret ----->|   kept at once, in any phase, frozen or not
                                                 |   on chain: what it opens is claimed

A late datum belongs to one provider: it opens that provider's outputs, never an HTLC, whose preimage is the payee's to
show.
"""

from collections.abc import Callable
from hashlib import new as hash_of
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from lnpd.channel.events import PutWitness
from lnpd.channel.state import AwaitingReady, Channel, Failed, Negotiating, Normal, ShuttingDown, Witness
from lnpd.channel.table import Step, done, on
from lnpd.errors import CommandRefused
from lnpd.tx.adaptors import PREFIX, opens

MAX_WITNESSES: Final = 64  # of a channel: they are part of its snapshot
DATA_BYTES: Final = 32
HASHES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "sha256": lambda data: sha256(data).digest(),
    "hash256": lambda data: sha256(sha256(data).digest()).digest(),
    "ripemd160": lambda data: hash_of("ripemd160", data).digest(),
    "hash160": lambda data: hash_of("ripemd160", sha256(data).digest()).digest(),
}


@on((AwaitingReady, Normal, ShuttingDown, Negotiating, Failed), PutWitness)
def on_put_witness(channel: Channel, command: PutWitness) -> Step:
    """Keep it until the chain asks for it."""
    return done(with_witness(channel, command))


def with_witness(channel: Channel, command: PutWitness) -> Channel:
    """The channel that knows one more late datum. CommandRefused if it is not what its name says."""
    if all(extension.name != command.provider for extension in channel.extensions):
        raise CommandRefused(f"This channel was opened without the provider {command.provider}.")
    if len(command.data) != DATA_BYTES or not _fits(command.name, command.data):
        raise CommandRefused(f"These bytes are not what {command.name[:80]} stands for.")
    witness = Witness(command.provider, command.name, command.data)
    if witness in channel.witnesses:
        return channel
    if len(channel.witnesses) >= MAX_WITNESSES:
        raise CommandRefused(f"A channel keeps at most {MAX_WITNESSES} late data.")
    return replace(channel, witnesses=(*channel.witnesses, witness))


def supplied(channel: Channel, provider: str) -> dict[str, bytes]:
    """What is known of one provider's, by name."""
    return {each.name: each.data for each in channel.witnesses if each.provider == provider}


def _fits(name: str, data: bytes) -> bool:
    if name.startswith(PREFIX):
        return opens(name, data)
    kind, _, digest = name.partition(":")
    hashed = HASHES.get(kind)
    return hashed is not None and hashed(data).hex() == digest
