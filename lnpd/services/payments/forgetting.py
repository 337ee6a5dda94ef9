"""How long is it remembered what passed through this node?

The last KEPT circuits are kept for a person to look at. An older one goes once nothing can be told of it any more: it
has ended, its order is carried out, and both of its HTLCs are irrevocably gone from their channels, or those are
closed. Until then its row is what an HTLC that is told again is answered from.
"""

from typing import Final

from lnpd.channel.state import Channel
from lnpd.services.payments import circuits
from lnpd.services.payments.circuits import ENDED, Circuit, circuit_of, is_ordered, key_of
from lnpd.services.payments.ledger import HtlcKey
from lnpd.store.codec import decode
from lnpd.store.read import Read
from lnpd.store.write import Write
from lnpd.tx.states import HTLC, htlcs_of

KEPT: Final = 10_000


def forget(write: Write, height: int) -> None:
    """What nobody needs any more at this height of the best chain: onions that could not pass, and old circuits."""
    circuits.forget_onions(write, height)
    standing = _Standing(write)
    for newest, key in write.values(circuits.NEWEST)[KEPT:]:
        channel, _, identity = key.rpartition(b"/")
        circuit = circuit_of(write, HtlcKey(channel.decode(), int.from_bytes(identity, "big")))
        if circuit is None or standing.is_over(circuit):
            write.delete_value(circuits.NEWEST, newest)
            write.delete_value(circuits.CIRCUITS, key)
            if circuit is not None and circuit.outgoing is not None:
                write.delete_value(circuits.OUTGOING, key_of(circuit.outgoing))


class _Standing:
    """Which HTLCs are still in their channels; each channel is read once."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._ids: dict[str, frozenset[tuple[bool, int]]] = {}

    def is_over(self, circuit: Circuit) -> bool:
        """Whether nothing can be told of a circuit any more."""
        return (
            circuit.state in ENDED
            and not is_ordered(self._read, circuit)
            and (False, circuit.incoming.id) not in self._of(circuit.incoming.channel)
            and (circuit.outgoing is None or (True, circuit.outgoing.id) not in self._of(circuit.outgoing.channel))
        )

    def _of(self, channel: str) -> frozenset[tuple[bool, int]]:
        if channel not in self._ids:
            row = self._read.channel(channel.encode())
            if row is None or row.closed:
                self._ids[channel] = frozenset()
            else:
                self._ids[channel] = _standing(decode(row.snapshot, Channel, table="channel", key=row.channel_id))
        return self._ids[channel]


def _standing(channel: Channel) -> frozenset[tuple[bool, int]]:
    """Every HTLC that is not irrevocably gone: whether we offered it, and its id."""
    pending = [p.update for p in channel.log if p.update.provider == HTLC]
    added = {(u.proposer == channel.us, u.id) for u in pending if u.kind == "add"}
    removed = {(u.proposer == channel.them, u.id) for u in pending if u.kind != "add"}
    return frozenset({(h.offerer == channel.us, h.id) for h in htlcs_of(channel.base.states)} | added | removed)
