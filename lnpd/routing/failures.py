"""Which failures can a node report about a payment, and how is each written (BOLT 4, Failure Messages)?

FAILURES is the table: one row a code, with its fields in order and a sentence for a person. Lengths and padding around
the message belong to the return packet (crypto/sphinx.py).
"""

import struct
from typing import Final, NamedTuple

import msgspec

from lnpd.errors import FailureMalformed, Unencodable, WireError
from lnpd.wire.fields import FIXED, read_bigsize, write_bigsize

BADONION: Final = 0x8000
PERM: Final = 0x4000
NODE: Final = 0x2000
UPDATE: Final = 0x1000

_U16: Final = struct.Struct(">H")


class Row(NamedTuple):
    """One failure. `fields`: name and type, a type of BOLT 1 or `update`: bytes after their u16 length."""

    code: int
    name: str
    fields: tuple[tuple[str, str], ...]
    sentence: str


_ONION: Final = (("sha256_of_onion", "sha256"),)
_CHANNEL_UPDATE: Final = ("channel_update", "update")

FAILURES: Final = (
    Row(NODE | 2, "temporary_node_failure", (), "A node on the route cannot handle the payment at the moment."),
    Row(PERM | NODE | 2, "permanent_node_failure", (), "A node on the route no longer handles payments."),
    Row(
        PERM | NODE | 3,
        "required_node_feature_missing",
        (),
        "A node on the route requires a feature that we do not use.",
    ),
    Row(BADONION | PERM | 4, "invalid_onion_version", _ONION, "A node on the route does not know the onion's version."),
    Row(BADONION | PERM | 5, "invalid_onion_hmac", _ONION, "The onion was altered on its way."),
    Row(BADONION | PERM | 6, "invalid_onion_key", _ONION, "A node on the route could not read the onion's key."),
    Row(
        UPDATE | 7,
        "temporary_channel_failure",
        (_CHANNEL_UPDATE,),
        "A channel on the route cannot carry the payment at the moment.",
    ),
    Row(PERM | 8, "permanent_channel_failure", (), "A channel on the route no longer carries payments."),
    Row(
        PERM | 9,
        "required_channel_feature_missing",
        (),
        "A channel on the route requires a feature that we do not use.",
    ),
    Row(PERM | 10, "unknown_next_peer", (), "A node on the route does not have the channel that the route names."),
    Row(
        UPDATE | 11,
        "amount_below_minimum",
        (("htlc_msat", "u64"), _CHANNEL_UPDATE),
        "The amount is below the minimum of a channel on the route.",
    ),
    Row(
        UPDATE | 12,
        "fee_insufficient",
        (("htlc_msat", "u64"), _CHANNEL_UPDATE),
        "The fee is below what a channel on the route asks.",
    ),
    Row(
        UPDATE | 13,
        "incorrect_cltv_expiry",
        (("cltv_expiry", "u32"), _CHANNEL_UPDATE),
        "The time between two hops is shorter than a channel on the route asks.",
    ),
    Row(
        UPDATE | 14,
        "expiry_too_soon",
        (_CHANNEL_UPDATE,),
        "The payment would expire too soon for a node on the route.",
    ),
    Row(
        PERM | 15,
        "incorrect_or_unknown_payment_details",
        (("htlc_msat", "u64"), ("height", "u32")),
        "The payee does not accept this payment: unknown, expired or already paid, or a wrong amount or secret.",
    ),
    Row(
        18,
        "final_incorrect_cltv_expiry",
        (("cltv_expiry", "u32"),),
        "The last node before the payee forwarded the payment with too short an expiry.",
    ),
    Row(
        19,
        "final_incorrect_htlc_amount",
        (("incoming_htlc_amt", "u64"),),
        "The last node before the payee forwarded less than it should have.",
    ),
    Row(
        UPDATE | 20,
        "channel_disabled",
        (("disabled_flags", "u16"), _CHANNEL_UPDATE),
        "A channel on the route is disabled.",
    ),
    Row(21, "expiry_too_far", (), "The payment would expire too far in the future for a node on the route."),
    Row(
        PERM | 22,
        "invalid_onion_payload",
        (("type", "bigsize"), ("offset", "u16")),
        "A node on the route could not read its part of the onion.",
    ),
    Row(23, "mpp_timeout", (), "Not all parts of the payment arrived in time."),
    Row(BADONION | PERM | 24, "invalid_onion_blinding", _ONION, "The payment failed inside a blinded path."),
)

_BY_CODE: Final = {row.code: row for row in FAILURES}
_BY_NAME: Final = {row.name: row for row in FAILURES}


class Failure(msgspec.Struct, frozen=True):
    """A failure message: its code, its fields by name in the table's order, and what follows them.

    A code that the table lacks has no fields; all its bytes are `extra`. Anyone on the route may have made one up, so
    nothing in it is to be trusted further than the hop that sent it.
    """

    code: int
    fields: tuple[tuple[str, int | bytes], ...] = ()
    extra: bytes = b""

    @property
    def name(self) -> str:
        """BOLT 4's name, or the code in hexadecimal."""
        row = _BY_CODE.get(self.code)
        return row.name if row else f"unknown_failure_{self.code:#06x}"

    @property
    def is_bad_onion(self) -> bool:
        """Sent as update_fail_malformed_htlc by the node that could not read the onion."""
        return bool(self.code & BADONION)

    @property
    def is_permanent(self) -> bool:
        """The same attempt would fail again."""
        return bool(self.code & PERM)

    @property
    def is_of_node(self) -> bool:
        """The whole node fails, not one channel."""
        return bool(self.code & NODE)

    @property
    def has_channel_update(self) -> bool:
        """A channel's parameters were not met; the message has room for a channel_update, which may be empty."""
        return bool(self.code & UPDATE)

    def __str__(self) -> str:
        row = _BY_CODE.get(self.code)
        return row.sentence if row else f"A node on the route reports a failure that lnpd does not know ({self.name})."


def failure(name: str, **fields: int | bytes) -> Failure:
    """The failure of that name, with exactly the fields of its row; raises FailureMalformed."""
    row = _BY_NAME.get(name)
    if row is None:
        raise FailureMalformed(f"BOLT 4 has no failure {name!r}.")
    wanted = [field for field, _ in row.fields]
    if sorted(wanted) != sorted(fields):
        raise FailureMalformed(f"{name} has the fields {wanted}, not {sorted(fields)}.")
    return Failure(row.code, tuple((field, fields[field]) for field in wanted))


def code_of(name: str) -> int:
    """The code of a failure; raises FailureMalformed."""
    row = _BY_NAME.get(name)
    if row is None:
        raise FailureMalformed(f"BOLT 4 has no failure {name!r}.")
    return row.code


def of_malformed(code: int, sha256_of_onion: bytes) -> Failure:
    """The failure that an update_fail_malformed_htlc means, for the payer (BOLT 2, Removing an HTLC)."""
    row = _BY_CODE.get(code)
    if row is not None and row.fields == _ONION:
        return Failure(code, (("sha256_of_onion", sha256_of_onion),))
    return Failure(code, extra=sha256_of_onion) if row is None else failure("temporary_node_failure")


def incorrect_or_unknown_payment_details(htlc_msat: int, height: int) -> Failure:
    """What a final node answers to all that does not fit an invoice, so that nobody learns which it was."""
    return failure("incorrect_or_unknown_payment_details", htlc_msat=htlc_msat, height=height)


def encode(failure: Failure) -> bytes:
    """The failuremsg: u16 code, fields, extra; raises FailureMalformed."""
    row = _BY_CODE.get(failure.code)
    kinds = row.fields if row else ()
    if [name for name, _ in kinds] != [name for name, _ in failure.fields]:
        raise FailureMalformed(f"{failure.name} has other fields than {[name for name, _ in failure.fields]}.")
    try:
        parts = [_U16.pack(failure.code)]
        parts += [_write(kind, value) for (_, kind), (_, value) in zip(kinds, failure.fields, strict=True)]
    except (struct.error, TypeError, Unencodable) as error:
        raise FailureMalformed(f"A field of {failure.name} is out of its range.") from error
    return b"".join(parts) + failure.extra


def decode(message: bytes) -> Failure:
    """The failure in a failuremsg; an unknown code keeps its bytes. Raises FailureMalformed if it is cut short."""
    if len(message) < _U16.size:
        raise FailureMalformed("A failure message has no code.")
    code, position = _U16.unpack_from(message)[0], _U16.size
    row = _BY_CODE.get(code)
    fields = []
    try:
        for name, kind in row.fields if row else ():
            value, position = _read(kind, message, position)
            fields.append((name, value))
    except (struct.error, WireError) as error:
        raise FailureMalformed(f"The failure with code {code:#06x} is cut short or malformed.") from error
    return Failure(code, tuple(fields), message[position:])


def _counted(data: bytes, position: int) -> tuple[bytes, int]:
    start = position + _U16.size
    end = start + int.from_bytes(data[position:start], "big")
    if start > len(data) or end > len(data):
        raise FailureMalformed("A failure message is shorter than it says.")
    return data[start:end], end


def _write(kind: str, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        if kind == "update":
            return _U16.pack(len(value)) + value
        if kind != "sha256" or len(value) != FIXED[kind].size:
            raise FailureMalformed(f"A {kind} is not written as {len(value)} bytes.")
        return value
    if kind == "bigsize":
        return write_bigsize(value)
    if kind == "update":
        raise FailureMalformed("A channel_update is bytes, not a number.")
    return struct.pack(f">{FIXED[kind].code}", value)


def _read(kind: str, data: bytes, position: int) -> tuple[int | bytes, int]:
    if kind == "update":
        return _counted(data, position)
    if kind == "bigsize":
        return read_bigsize(data, position, len(data))
    return struct.unpack_from(f">{FIXED[kind].code}", data, position)[0], position + FIXED[kind].size
