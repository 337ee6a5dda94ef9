"""What does a plugin supply late, to open what waits for it on the chain? And what does the chain show late?

    plugin                                     channel                                        chain
     |---- a preimage, an adaptor's secret ----->|   kept at once, in any phase, frozen or not   |
     |     (put_witness)                         |   on chain: what it opens is claimed          |
     |                                           |<--- a child that we signed for an adaptor ----|
     |<--- its secret (secret_sold) -------------|     point, completed by the peer              |

A late datum belongs to one provider: it opens that provider's outputs, never an HTLC, whose preimage is the payee's to
show. Once there are too many, those are forgotten that no commitment waits for: what they opened was settled.
"""

from collections.abc import Callable, Generator, Iterator
from hashlib import new as hash_of
from hashlib import sha256
from typing import Any, Final

from lnpd_sdk.types import PARTIES
from msgspec.structs import replace

from lnpd.channel.actions import SecretSold, Tell
from lnpd.channel.events import OutputSpent, PutWitness, SpendSeen
from lnpd.channel.queries import FindCommitment, Kept, SoldSecret, ask, commitment_key
from lnpd.channel.state import AwaitingReady, Channel, Failed, Negotiating, Normal, OnChain, ShuttingDown, Witness
from lnpd.channel.table import Step, done, on
from lnpd.errors import CommandRefused
from lnpd.tx.adaptors import PREFIX, late_names, opens, shown
from lnpd.tx.graph import Graph

Keeping = Generator[Any, Any, Channel]  # Any: each reply is typed by its own query
Learning = Generator[Any, Any, tuple[Channel, list[Tell]]]

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
    return (yield from done((yield from with_witness(channel, command))))


def with_witness(channel: Channel, command: PutWitness) -> Keeping:
    """The channel that knows one more late datum. CommandRefused if it is not what its name says."""
    if all(extension.name != command.provider for extension in channel.extensions):
        raise CommandRefused(f"This channel was opened without the provider {command.provider}.")
    if len(command.data) != DATA_BYTES or not _fits(command.name, command.data):
        raise CommandRefused(f"These bytes are not what {command.name[:80]} stands for.")
    witness = Witness(command.provider, command.name, command.data)
    if witness in channel.witnesses:
        return channel
    if len(channel.witnesses) >= MAX_WITNESSES:
        channel = yield from _without_settled(channel)
    if len(channel.witnesses) >= MAX_WITNESSES:
        raise CommandRefused(f"A channel keeps at most {MAX_WITNESSES} late data that its commitments wait for.")
    return replace(channel, witnesses=(*channel.witnesses, witness))


def _without_settled(channel: Channel) -> Keeping:
    """Without what opens nothing in any commitment that may confirm and is not revoked."""
    keys = [
        commitment_key(funding.txid, holder, number)
        for funding in channel.fundings
        for holder in PARTIES
        for number in (channel.numbers[holder], channel.numbers[holder] - 1)
    ]
    keys += [channel.phase.commitment] if isinstance(channel.phase, OnChain) else []
    wanted: set[tuple[str, str]] = set()
    for key in keys:
        kept: Kept | None = yield from ask(FindCommitment(key))
        wanted |= set(_waits(kept.graph)) if kept is not None else set()
    return replace(channel, witnesses=tuple(w for w in channel.witnesses if (w.provider, w.name) in wanted))


def _waits(graph: Graph) -> Iterator[tuple[str, str]]:
    """(provider, name) of each late datum that a commitment, or a child of it, waits for."""
    for output in (*graph.outputs, *(output for child in graph.children for output in child.outputs)):
        yield from ((output.provider, name) for path in output.paths for name in path.late)
    for child in graph.children:
        yield from ((child.provider, name) for name in late_names(child))


def learned(channel: Channel, graph: Graph | None, event: OutputSpent | SpendSeen) -> Learning:
    """The channel that knows the secret by which the peer completed what we had signed ahead, if it spends an output of
    its commitment so; whoever waits for that hears of it, once. There is one for each child at most, so that none is
    refused for want of room."""
    told: list[Tell] = []
    if graph is None or graph.holder == channel.us or event.txid != graph.tx.txid:
        return channel, told
    witness = next(i.witness for i in event.transaction.inputs if (i.txid, i.vout) == (event.txid, event.vout))
    for index, child in enumerate(graph.children):
        name = late_names(child)[-1] if child.adaptor_point and child.vout == event.vout else ""
        signatures = shown(child, witness) if name else ()
        if not signatures or name in supplied(channel, child.provider):
            continue
        secret = yield from ask(SoldSecret(graph, index, signatures))
        if opens(name, secret):
            channel = replace(channel, witnesses=(*channel.witnesses, Witness(child.provider, name, secret)))
            told.append(Tell(f"sold/{child.provider}/{name}", "plugins", SecretSold(child.provider, name, secret)))
    return channel, told


def supplied(channel: Channel, provider: str) -> dict[str, bytes]:
    """What is known of one provider's, by name."""
    return {each.name: each.data for each in channel.witnesses if each.provider == provider}


def _fits(name: str, data: bytes) -> bool:
    if name.startswith(PREFIX):
        return opens(name, data)
    kind, _, digest = name.partition(":")
    hashed = HASHES.get(kind)
    return hashed is not None and hashed(data).hex() == digest
