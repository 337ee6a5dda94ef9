"""What is stored of an HTLC on its way through this node, and how may that change?

    (none) -> waiting -> offered -> fulfilled     the preimage is stored, and the order to claim the incoming HTLC
                 ^  |      |  '---> failed        the outgoing HTLC is irrevocably gone: the incoming one may be failed
                 |  '------|------> failed        it could not be offered
                 '---------'                      it was forgotten before a commitment held it
                           offered -> failed      it is stuck on chain (stuck.py): "abandoned", and still claimed with
                                                  a preimage that comes too late, if that is not too late after all

A circuit is named by its incoming HTLC, and is opened in the transaction that makes this irrevocable; its outgoing HTLC
is added in the transaction that says so here; its end is stored with the order for the incoming channel, a row of that
channel's inbox, which goes in the transaction that carries it out. So each happens once, whenever the power fails.

An incoming HTLC has one answer for as long as it can be told again (forgetting.py). What is open, and what is newest,
are small rows beside it. The onion's hmac is kept as long as the onion could pass again (BOLT 4, Onion Decryption).
"""

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from lnpd.channel.events import Fail, Fulfill
from lnpd.errors import CircuitTaken
from lnpd.services.chain.rows import StoredFact
from lnpd.services.payments.ledger import HtlcKey
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read, u64_key
from lnpd.store.write import Write

CIRCUITS: Final = "circuit"  # by incoming HTLC
OPEN: Final = "circuit-open"  # those that have not ended, by incoming HTLC
OUTGOING: Final = "circuit-outgoing"  # the incoming HTLC, by outgoing HTLC
NEWEST: Final = "circuit-newest"  # the incoming HTLC, by time, newest first
ONIONS: Final = "circuit-onion"  # the incoming HTLC, by hmac; behind it the height to which it is kept

State = Literal["waiting", "offered", "fulfilled", "failed"]
ENDED: Final = ("fulfilled", "failed")
LATE: Final = "/late"  # an order beside the first one
_LAST_TIME: Final = 2**64 - 1
_MICRO: Final = 1_000_000


class Circuit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An incoming HTLC and the outgoing one that it pays for. `short_channel_id` is what the onion named.

    `channel` is the outgoing channel; `outgoing` its HTLC, None while there is none. `onion` is for the next node, and
    empty once the circuit has ended. `why` says what made it fail. `abandoned`: it failed while its outgoing HTLC was
    not settled; a `preimage` of such a one came later.
    """

    incoming: HtlcKey
    incoming_msat: int
    incoming_expiry: int
    payment_hash: bytes
    shared_secret: bytes
    short_channel_id: bytes
    channel: str
    outgoing_msat: int
    outgoing_expiry: int
    onion: bytes
    opened_unix_seconds: float
    state: State = "waiting"
    outgoing: HtlcKey | None = None
    preimage: bytes = b""
    ended_unix_seconds: float = 0
    why: str = ""
    abandoned: bool = False

    def __repr__(self) -> str:
        return f"Circuit({self.incoming}, {self.outgoing_msat} msat, {self.state})"

    @property
    def fee_msat(self) -> int:
        """What it earns, if it is fulfilled."""
        return self.incoming_msat - self.outgoing_msat


# Reading


def key_of(htlc: HtlcKey) -> bytes:
    """The key of an HTLC's rows."""
    return htlc.channel.encode() + b"/" + u64_key(htlc.id)


def circuit_of(read: Read, incoming: HtlcKey) -> Circuit | None:
    """The circuit of an incoming HTLC."""
    return _circuit(read, key_of(incoming))


def circuit_to(read: Read, outgoing: HtlcKey) -> Circuit | None:
    """The circuit whose outgoing HTLC this is."""
    key = read.value(OUTGOING, key_of(outgoing))
    circuit = None if key is None else _circuit(read, key)
    # The id of an HTLC that was forgotten comes round again, perhaps for another circuit or for none.
    return circuit if circuit is not None and circuit.outgoing == outgoing else None


def is_ordered(read: Read, circuit: Circuit) -> bool:
    """Whether an order of a circuit that has ended still waits for its incoming channel."""
    keys = (_order_key(circuit), _order_key(circuit) + LATE)
    return any(row.key in keys for row in read.inbox(circuit.incoming.channel.encode()))


def open_circuits(read: Read) -> tuple[Circuit, ...]:
    """All that have not ended."""
    found = (_circuit(read, key) for key, _ in read.values(OPEN))
    return tuple(circuit for circuit in found if circuit is not None)


def newest_circuits(read: Read, limit: int) -> tuple[Circuit, ...]:
    """The last that were opened, newest first."""
    found = (_circuit(read, key) for _, key in read.values(NEWEST, limit=limit))
    return tuple(circuit for circuit in found if circuit is not None)


def _circuit(read: Read, key: bytes) -> Circuit | None:
    value = read.value(CIRCUITS, key)
    return None if value is None else decode(value, Circuit, table=CIRCUITS, key=key)


# Changing


def opened(write: Write, circuit: Circuit, hmac: bytes, reply: bytes) -> Circuit:
    """The circuit of an incoming HTLC: this one, or the one that it has already.

    hmac: of the incoming onion. One that passed before is failed with `reply` (an encrypted failure).
    """
    key = key_of(circuit.incoming)
    if (known := _circuit(write, key)) is not None:
        return known
    write.point("circuit-opened")
    moment = _LAST_TIME - int(circuit.opened_unix_seconds * _MICRO)
    write.put_value(NEWEST, u64_key(moment) + key, key)
    write.put_value(OPEN, key, b"")
    if write.value(ONIONS, hmac) is not None:
        return _end(write, replace(circuit, state="failed", why="This onion has passed before."), reply)
    write.put_value(ONIONS, hmac, circuit.incoming_expiry.to_bytes(4, "big"))
    return _put(write, circuit)


def offered(write: Write, incoming: HtlcKey, outgoing: HtlcKey) -> Circuit:
    """The outgoing HTLC is in its channel's log. Raises CircuitTaken: the batch that adds it must not be stored."""
    circuit = circuit_of(write, incoming)
    if circuit is None or circuit.state != "waiting":
        raise CircuitTaken(f"An HTLC was offered for {incoming}, which waits for none.")
    write.point("circuit-offered")
    write.put_value(OUTGOING, key_of(outgoing), key_of(incoming))
    return _put(write, replace(circuit, state="offered", outgoing=outgoing))


def forgotten(write: Write, outgoing: HtlcKey) -> Circuit | None:
    """The outgoing HTLC never reached a commitment: the circuit, if it was one's; it waits again."""
    circuit = circuit_to(write, outgoing)
    if circuit is None or circuit.state != "offered":
        return None
    write.point("circuit-forgotten")
    write.delete_value(OUTGOING, key_of(outgoing))
    return _put(write, replace(circuit, state="waiting", outgoing=None))


def fulfilled(write: Write, outgoing: HtlcKey, preimage: bytes, now_seconds: float) -> Circuit | None:
    """The peer showed the preimage: the circuit, if nobody knew that before. It is to be claimed upstream."""
    circuit = circuit_to(write, outgoing)
    late = circuit is not None and circuit.abandoned and not circuit.preimage
    if circuit is None or (circuit.state in ENDED and not late):
        return None
    write.point("circuit-fulfilled")
    if late:
        _order(write, circuit, Fulfill(circuit.incoming.id, preimage), LATE)
        return _put(write, replace(circuit, preimage=preimage))
    _order(write, circuit, Fulfill(circuit.incoming.id, preimage))
    return _ended(write, replace(circuit, state="fulfilled", preimage=preimage, ended_unix_seconds=now_seconds))


def failed(
    write: Write,
    incoming: HtlcKey,
    outgoing: HtlcKey | None,
    reply: bytes,
    why: str,
    now_seconds: float,
    abandoned: bool = False,
) -> Circuit | None:
    """The outgoing HTLC (None: there was none) is gone for good, or abandoned: the circuit, if it hung on it.

    reply: the encrypted failure for the incoming HTLC.
    """
    circuit = circuit_of(write, incoming)
    if circuit is None or circuit.state in ENDED or circuit.outgoing != outgoing:
        return None
    write.point("circuit-failed")
    ended = replace(circuit, state="failed", why=why, ended_unix_seconds=now_seconds, abandoned=abandoned)
    return _end(write, ended, reply)


def forget_onions(write: Write, height: int) -> None:
    """Onions whose incoming expiry has passed: none of them would pass again."""
    for hmac, expiry in write.values(ONIONS):
        if int.from_bytes(expiry, "big") < height:
            write.delete_value(ONIONS, hmac)


def _end(write: Write, circuit: Circuit, reply: bytes) -> Circuit:
    _order(write, circuit, Fail(circuit.incoming.id, reply))
    return _ended(write, circuit)


def _ended(write: Write, circuit: Circuit) -> Circuit:
    write.delete_value(OPEN, key_of(circuit.incoming))
    return _put(write, replace(circuit, onion=b""))


def _put(write: Write, circuit: Circuit) -> Circuit:
    write.put_value(CIRCUITS, key_of(circuit.incoming), encode(circuit))
    return circuit


def _order(write: Write, circuit: Circuit, order: Fulfill | Fail, suffix: str = "") -> None:
    """What the incoming channel is to do. One order for each HTLC: none is ever taken back."""
    write.add_inbox(circuit.incoming.channel.encode(), _order_key(circuit) + suffix, encode(StoredFact(order)))


def _order_key(circuit: Circuit) -> str:
    return f"circuit/{circuit.incoming.id}"
