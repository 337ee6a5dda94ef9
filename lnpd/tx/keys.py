"""Which public keys does a commitment have? (BOLT 3, "Key Derivation")"""

from functools import lru_cache

import msgspec
from lnpd_sdk.types import CommitmentKeys, Party, other

from lnpd.crypto.keys import derive_public_key, derive_revocation_public_key


class Basepoints(msgspec.Struct, frozen=True):
    """One party's public keys of a channel, compressed points (BOLT 2, open_channel)."""

    funding_key: bytes
    revocation_basepoint: bytes
    payment_basepoint: bytes
    delayed_payment_basepoint: bytes
    htlc_basepoint: bytes


# A commitment is built by the channel and checked by the signer: its five derivations are done once.
@lru_cache(maxsize=1024)
def commitment_keys(
    holder: Party, basepoints: tuple[Basepoints, Basepoints], per_commitment_point: bytes
) -> CommitmentKeys:
    """The keys of the holder's commitment with this point; `basepoints` is by party. Raises InvalidPoint."""
    own, theirs = basepoints[holder], basepoints[other(holder)]
    return CommitmentKeys(
        per_commitment_point=per_commitment_point,
        revocation=derive_revocation_public_key(theirs.revocation_basepoint, per_commitment_point),
        delayed=derive_public_key(own.delayed_payment_basepoint, per_commitment_point),
        holder_htlc=derive_public_key(own.htlc_basepoint, per_commitment_point),
        counterparty_htlc=derive_public_key(theirs.htlc_basepoint, per_commitment_point),
        counterparty_payment=theirs.payment_basepoint,
        holder_funding=own.funding_key,
        counterparty_funding=theirs.funding_key,
    )
