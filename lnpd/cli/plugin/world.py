"""Which commitments, views and updates does `lnp plugin check` try? The same in every run; no chance is in them.

Both parties' secrets are known here, so that every way to spend an output can be gone.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from typing import Final

import msgspec
from lnpd_sdk.script import Key
from lnpd_sdk.types import (
    PARTIES,
    CommitmentKeys,
    Htlc,
    Party,
    PerParty,
    ProviderSpec,
    SealedOutput,
    Transaction,
    View,
    other,
)

from lnpd.crypto.keys import derive_revocation_secret, derive_secret
from lnpd.crypto.secp import public_key
from lnpd.tx.funding import make_funding
from lnpd.tx.graph import ChannelType, CommitmentSpec
from lnpd.tx.keys import Basepoints, commitment_keys
from lnpd.tx.states import BASE, BaseState, encode_state

ROLES: Final = ("funding", "revocation", "payment", "delayed", "htlc")
CAPACITY_SAT: Final = 10_000_000
DELAYS: Final = (144, 201)
DUST_SAT: Final = (354, 546)
BALANCES_MSAT: Final = (6_000_000_000, 4_000_000_000)
FEERATE_PER_KW: Final = 1000
NUMBER: Final = 42
MAX_BODY: Final = 60_000
MAX_SAMPLES: Final = 32


def secret(*words: object) -> bytes:
    """A secret of nobody's."""
    return sha256(b"lnp plugin check" + repr(words).encode()).digest()


SECRETS: Final = tuple({role: secret(party, role) for role in ROLES} for party in PARTIES)
BASEPOINTS: Final = tuple(Basepoints(*(public_key(own[role]) for role in ROLES)) for own in SECRETS)
FUNDING: Final = make_funding(
    sha256(b"funding").digest(), 0, CAPACITY_SAT, (BASEPOINTS[0].funding_key, BASEPOINTS[1].funding_key)
)
# What the hook initial_states is asked with, beside the channel's type.
OPENED: Final[dict[str, object]] = {
    "node_id": (b"\2" + bytes(32)).hex(),
    "opener": True,
    "channel_id": FUNDING.txid.hex(),
    "funding_txid": FUNDING.txid[::-1].hex(),
    "funding_vout": FUNDING.vout,
    "funding_sat": CAPACITY_SAT,
    "push_msat": 0,
    "feerate_per_kw": FEERATE_PER_KW,
}


@cache
def keys_of(holder: Party) -> CommitmentKeys:
    """The public keys of the holder's commitment."""
    return commitment_keys(holder, (BASEPOINTS[0], BASEPOINTS[1]), public_key(secret(holder, "commitment")))


def secrets_of(holder: Party) -> dict[str, bytes]:
    """By name, the secret of every key of the holder's commitment, as if it were revoked."""
    own, theirs, release = SECRETS[holder], SECRETS[other(holder)], secret(holder, "commitment")
    point = public_key(release)
    return {
        Key.REVOCATION: derive_revocation_secret(theirs["revocation"], release),
        Key.DELAYED: derive_secret(own["delayed"], point),
        Key.HOLDER_HTLC: derive_secret(own["htlc"], point),
        Key.COUNTERPARTY_HTLC: derive_secret(theirs["htlc"], point),
        Key.COUNTERPARTY_PAYMENT: theirs["payment"],
        Key.HOLDER_FUNDING: own["funding"],
        Key.COUNTERPARTY_FUNDING: theirs["funding"],
    }


def commitment(
    kind: ChannelType, states: dict[str, bytes], holder: Party, balances_msat: PerParty = BALANCES_MSAT
) -> CommitmentSpec:
    """A commitment of this type; `states` are those of the plugin's providers."""
    base = {BASE: encode_state(BaseState(FEERATE_PER_KW))}
    return CommitmentSpec(
        funding=FUNDING,
        type=kind,
        holder=holder,
        number=NUMBER,
        keys=keys_of(holder),
        feerate_per_kw=FEERATE_PER_KW,
        dust_limit_sat=DUST_SAT,
        to_self_delay=DELAYS,
        balances_msat=balances_msat,
        states=tuple((pin.name, (base | states).get(pin.name, b"")) for pin in kind.providers),
        payment_basepoints=(BASEPOINTS[0].payment_basepoint, BASEPOINTS[1].payment_basepoint),
    )


_HTLCS: Final = tuple(Htlc(party, n, 1 + n, bytes([n]) * 32, 500 + n) for party in PARTIES for n in range(30))
# What a view may hold that a plugin's author may not have thought of: (fields) in place of the usual ones.
HOSTILE: Final[tuple[dict[str, object], ...]] = (
    {"number": 0},
    {"number": 2**48 - 1},
    {"feerate_per_kw": 253},
    {"feerate_per_kw": 2**32 - 1},
    {"capacity_sat": 2**62, "balances_msat": (0, 1000 * 2**52)},
    {"balances_msat": (0, 1000 * CAPACITY_SAT)},
    {"balances_msat": (1000 * CAPACITY_SAT, 0)},
    {"dust_limit_sat": (0, 0)},
    {"dust_limit_sat": (10_000, 10_000)},
    {"to_self_delay": (1, 1)},
    {"to_self_delay": (65_535, 65_535)},
    {"features": ()},
    {"htlcs": _HTLCS},
    {"funding_txid": bytes(32), "funding_vout": 65_535},
)


def hostile(view: View) -> Iterator[View]:
    """This view, and others that differ from it in what a peer may choose."""
    yield view
    for fields in HOSTILE:
        yield msgspec.structs.replace(view, **fields)


def changed(view: View, field: str) -> View:
    """This view with another value of one field."""
    others = [fields[field] for fields in HOSTILE if field in fields]
    more: dict[str, object] = {"holder": other(view.holder), "funding_vout": 7, "capacity_sat": CAPACITY_SAT + 1}
    more |= {"keys": keys_of(other(view.holder))}
    return msgspec.structs.replace(view, **{field: others[-1] if others else more[field]})


def bodies(samples: Sequence[bytes]) -> tuple[bytes, ...]:
    """Bodies of updates: the plugin's own samples, what a peer may make of them, and what nobody asked for."""
    plain = [b"", b"\0", b"\xff", b"\xc1", b"\x80", b"\x90", bytes(8), b"\xff" * 8, b"\xff" * 32, bytes(33), b"text"]
    plain += [n.to_bytes(8, "big") for n in (1, 353, 354, 546, 10_000, 25_000, 10**7, 2**62)]
    plain += [msgspec.msgpack.encode(each) for each in (0, 1, 25_000, -1, 2**63, {"verb": 1}, ["a", None], 0.5)]
    plain += [b"\x91" * 2_000 + b"\x01", b"x" * MAX_BODY]
    known = list(samples[:MAX_SAMPLES])
    bent = [each for sample in known[:8] for each in _bent(sample)]
    return tuple(dict.fromkeys((*known, *plain, *bent)))


def _bent(sample: bytes) -> Iterator[bytes]:
    yield sample[:-1]
    yield sample + b"\0"
    for place in range(0, len(sample), max(1, len(sample) // 4)):
        yield sample[:place] + bytes([sample[place] ^ 0x80]) + sample[place + 1 :]


def sealable(spec: ProviderSpec) -> tuple[Transaction, ...]:
    """A transaction of every kind that a provider may be asked to seal."""
    shown = (SealedOutput(100_000, b"\0\x20" + bytes(32)),)
    parent = Transaction("commitment", shown, bytes(32))
    own = Transaction("commitment", shown), Transaction("second_stage", shown, parent=parent)
    found = {
        "second_stage": (Transaction("second_stage", (*shown, *shown), parent=parent),),
        "close": (Transaction("close", shown),),
        "claim": tuple(Transaction("claim", shown, parent=parent, claimant=party) for party in PARTIES),
    }
    return (*own, *(each for place in spec.seals for each in found.get(place, ())))
