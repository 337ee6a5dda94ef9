"""How much may a plugin pay over Lightning, and how much has it paid?

    reserve --- what it may cost at most ---> the payment's HTLC ... paid: what it did cost is spent
       |                                                         ... failed: free again
       '-- nothing was ever offered: release

A limit is for all that a plugin ever pays, fees included. What is reserved is stored before an HTLC is; what becomes of
it, in the transaction that says what became of the payment. So a power cut anywhere leaves at most a reservation of
which there is no payment; whoever reserves next (limited.py) frees it.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.errors import PayLimitReached
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.write import Write

SPENT: Final = "plugin-paid"
RESERVED: Final = "plugin-paying/"  # and the payer's name: the namespace of its reservations, by payment hash


class Spent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a payer has paid, fees included, and in how many payments."""

    msat: int = 0
    payments: int = 0


class Reservation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a payment that has not ended may cost."""

    msat: int


def spent(read: Read, payer: str) -> Spent:
    """What is paid for good."""
    stored = read.value(SPENT, payer.encode())
    return Spent() if stored is None else decode(stored, Spent, table="key_value", key=payer)


def reserved(read: Read, payer: str) -> dict[bytes, int]:
    """What is on its way, in msat, by payment hash."""
    rows = read.values(RESERVED + payer)
    return {key: decode(value, Reservation, table="key_value", key=key).msat for key, value in rows}


def reserve(write: Write, payer: str, limit_sat: int, payment_hash: bytes, msat: int) -> None:
    """Sets aside what a payment may cost; nothing if that is done. PayLimitReached says what is left."""
    write.point("plugin-pay-reserved")
    kept = reserved(write, payer)
    if payment_hash in kept:
        return
    used_msat = spent(write, payer).msat + sum(kept.values())
    if used_msat + msat > 1000 * limit_sat:
        raise PayLimitReached(
            f"{payer} may pay {limit_sat} sat in all; {used_msat} msat are paid or on their way, and this may cost"
            f" {msat} msat. To allow more, start lnpd with --grant {payer}=pay:SAT and a larger amount."
        )
    write.put_value(RESERVED + payer, payment_hash, encode(Reservation(msat)))


def release(write: Write, payer: str, payment_hash: bytes) -> None:
    """Nothing was paid, and nothing is on its way."""
    write.delete_value(RESERVED + payer, payment_hash)


def settle(write: Write, payer: str, payment_hash: bytes, msat: int) -> None:
    """The payment did cost this much."""
    release(write, payer, payment_hash)
    before = spent(write, payer)
    write.put_value(
        SPENT, payer.encode(), encode(replace(before, msat=before.msat + msat, payments=before.payments + 1))
    )
