"""What do BOLT 3's appendices C and F stand on: their keys, funding and HTLCs, as values?"""

from hashlib import sha256
from typing import Any

import msgspec
from lnpd_sdk.types import Htlc, PerParty

from lnpd.crypto.keys import derive_revocation_secret
from lnpd.crypto.secp import public_key
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, CORE_PROVIDERS, STATIC_REMOTEKEY
from lnpd.tx.funding import make_funding
from lnpd.tx.graph import ChannelType, CommitmentSpec, Graph
from lnpd.tx.keys import Basepoints, commitment_keys
from lnpd.tx.pipeline import build, run
from lnpd.tx.states import BaseState, HtlcState, encode_state

# Appendix C calls the opener local and the acceptor remote.
SECRETS: dict[str, bytes] = {
    "opener_funding": bytes.fromhex("30ff4956bbdd3222d44cc5e8a1261dab1e07957bdac5ae88fe3261ef321f3749"),
    "acceptor_funding": bytes.fromhex("1552dfba4f6cf29a62a0af13c8d6981d36d0ef8d61ba10fb0fe90da7634d7e13"),
    "opener_payment": b"\x11" * 32,
    "acceptor_revocation": b"\x22" * 32,
    "opener_delayed": b"\x33" * 32,
    "acceptor_payment": b"\x44" * 32,
    "per_commitment": bytes.fromhex("1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100"),
    # Not in the appendix, for it shows the opener's commitment only.
    "opener_revocation": b"\x55" * 32,
    "acceptor_delayed": b"\x66" * 32,
}
POINTS = {name: public_key(secret) for name, secret in SECRETS.items()}
BASEPOINTS = (
    Basepoints(
        POINTS["opener_funding"],
        POINTS["opener_revocation"],
        POINTS["opener_payment"],
        POINTS["opener_delayed"],
        POINTS["opener_payment"],
    ),
    Basepoints(
        POINTS["acceptor_funding"],
        POINTS["acceptor_revocation"],
        POINTS["acceptor_payment"],
        POINTS["acceptor_delayed"],
        POINTS["acceptor_payment"],
    ),
)
FUNDING_TXID = bytes.fromhex("8984484a580b825b9972d7adb15050b3ab624ccd731946b3eeddb92f4e7ef6be")[::-1]
FUNDING = make_funding(FUNDING_TXID, 0, 10_000_000, (POINTS["opener_funding"], POINTS["acceptor_funding"]))
KEYS = commitment_keys(0, BASEPOINTS, POINTS["per_commitment"])
REVOCATION_SECRET = derive_revocation_secret(SECRETS["acceptor_revocation"], SECRETS["per_commitment"])
PREIMAGES = {n: bytes([n]) * 32 for n in range(6)}
# Number in the appendix: offerer, amount_msat, number of the preimage, cltv_expiry.
_ROWS = {
    0: (1, 1_000_000, 0, 500),
    1: (1, 2_000_000, 1, 501),
    2: (0, 2_000_000, 2, 502),
    3: (0, 3_000_000, 3, 503),
    4: (1, 4_000_000, 4, 504),
    5: (0, 5_000_000, 5, 506),
    6: (0, 5_000_001, 5, 505),
}
HTLCS = {
    number: Htlc(offerer, number, amount, sha256(PREIMAGES[preimage]).digest(), expiry)  # type: ignore[arg-type]
    for number, (offerer, amount, preimage, expiry) in _ROWS.items()
}


def commitment_spec(
    to_local_msat: int,
    to_remote_msat: int,
    feerate_per_kw: int,
    *,
    htlcs: tuple[int, ...] = (),
    dust_limit_sat: PerParty = (546, 546),
    channel_type: ChannelType = STATIC_REMOTEKEY,
    **changes: Any,
) -> CommitmentSpec:
    """The opener's commitment 42, with balances as the appendix has them: without what is in flight."""
    balances = [to_local_msat, to_remote_msat]
    for number in htlcs:
        balances[HTLCS[number].offerer] += HTLCS[number].amount_msat
    ordered = tuple(sorted((HTLCS[n] for n in htlcs), key=lambda htlc: (htlc.offerer, htlc.id)))
    spec = CommitmentSpec(
        funding=FUNDING,
        type=channel_type,
        holder=0,
        number=42,
        keys=KEYS,
        feerate_per_kw=feerate_per_kw,
        dust_limit_sat=dust_limit_sat,
        to_self_delay=(144, 144),
        balances_msat=(balances[0], balances[1]),
        states=(
            ("base", encode_state(BaseState(feerate_per_kw))),
            ("htlc", encode_state(HtlcState((0, 0), ordered))),
            ("anchors", b""),
        ),
        payment_basepoints=(POINTS["opener_payment"], POINTS["acceptor_payment"]),
    )
    return msgspec.structs.replace(spec, **changes)


def graph_of(spec: CommitmentSpec, *extensions: Any) -> Graph:
    """The commitment through the real pipeline, with the core's providers and further ones."""
    return run(build(spec), CORE_PROVIDERS | {each.spec.name: each for each in extensions})


def of_case(case: dict[str, Any]) -> CommitmentSpec:
    """A case of bolt3-commitments.json."""
    return commitment_spec(
        case["to_local_msat"],
        case["to_remote_msat"],
        case["local_feerate_per_kw"],
        htlcs=tuple(case["htlcs_in_commitment_spec"]),
        dust_limit_sat=(case["local_dust_limit_satoshi"], 0),
        channel_type=ANCHORS_ZERO_FEE_HTLC_TX if case["option_anchors"] else STATIC_REMOTEKEY,
    )
