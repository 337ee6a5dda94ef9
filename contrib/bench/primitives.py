"""What do the steps cost of which a payment cannot do with less?

The ceilings of payments are computed from these, in the same run (ceilings.py).
"""

import os
from collections.abc import Callable
from hashlib import sha256

from lnpd_sdk.types import Htlc

from contrib.bench.measure import (
    Series,
    Size,
    Timed,
    contest,
    processor_seconds_each,
    processor_seconds_each_of,
    seconds_each,
)
from contrib.bench.places import scratch
from contrib.bench.report import Section
from contrib.bench.transport import linked, single
from contrib.bench.writes import BLOB_BYTES, syncing
from lnpd.crypto import secp, sphinx
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, CORE_PROVIDERS
from lnpd.tx.funding import make_funding
from lnpd.tx.graph import CommitmentSpec
from lnpd.tx.keys import Basepoints, commitment_keys
from lnpd.tx.pipeline import build
from lnpd.tx.pipeline import run as run_pipeline
from lnpd.tx.states import BaseState, HtlcState, encode_state

COUNT = 1000
HTLCS = 100
PAYLOAD = bytes(50)  # of a final hop: amount, expiry, payment_secret
SIGN, VERIFY, ECDH = "sign", "verify", "ECDH"
KEYS, BUILD, BUILD_FULL = "keys of a commitment", "commitment, no HTLC", f"commitment, {HTLCS} HTLCs"
ONION, PEEL, MESSAGE, SYNC = "onion, one hop", "peel the onion", "message sealed and opened", "fdatasync"


def point() -> bytes:
    """A point whose secret nobody knows."""
    return secp.public_key(os.urandom(32))


def specification(htlcs: int) -> CommitmentSpec:
    """The opener's commitment 42 of an anchor channel, with so many HTLCs of 10,000 sat, none of them trimmed."""
    basepoints = (Basepoints(*(point() for _ in range(5))), Basepoints(*(point() for _ in range(5))))
    offered = tuple(Htlc(0, n, 10_000_000, sha256(bytes([n])).digest(), 500 + n) for n in range(htlcs))
    return CommitmentSpec(
        funding=make_funding(os.urandom(32), 0, 10_000_000, (basepoints[0].funding_key, basepoints[1].funding_key)),
        type=ANCHORS_ZERO_FEE_HTLC_TX,
        holder=0,
        number=42,
        keys=commitment_keys(0, basepoints, point()),
        feerate_per_kw=253,
        dust_limit_sat=(354, 354),
        to_self_delay=(144, 144),
        balances_msat=(7_000_000_000, 3_000_000_000),
        states=(
            ("base", encode_state(BaseState(253))),
            ("htlc", encode_state(HtlcState((htlcs, 0), offered))),
            ("anchors", b""),
        ),
        payment_basepoints=(basepoints[0].payment_basepoint, basepoints[1].payment_basepoint),
    )


def building(htlcs: int) -> Callable[[], object]:
    """The whole pipeline with the core's providers."""
    spec = specification(htlcs)
    assert len(run_pipeline(build(spec), CORE_PROVIDERS).children) == htlcs
    return lambda: run_pipeline(build(spec), CORE_PROVIDERS)


def deriving(count: int) -> Timed:
    """The keys of commitments, each from a point that was never seen before."""
    basepoints = (Basepoints(*(point() for _ in range(5))), Basepoints(*(point() for _ in range(5))))

    def derive(fresh: bytes) -> object:
        return commitment_keys(0, basepoints, fresh)

    return lambda: processor_seconds_each_of(derive, [point() for _ in range(count)])


def peeling(secret: bytes, digest: bytes, count: int) -> Timed:
    """Onions of one hop, each fresh."""
    hops = [(secp.public_key(secret), PAYLOAD)]

    def peel(onion: bytes) -> object:
        return sphinx.peel(secret, onion, digest)

    def onions() -> list[bytes]:
        return [sphinx.build(os.urandom(32), hops, digest).packet for _ in range(count)]

    return lambda: processor_seconds_each_of(peel, onions())


def contestants(size: Size, sync: Callable[[], object]) -> dict[str, Timed]:
    """Each primitive, measured."""
    secret, digest = os.urandom(32), os.urandom(32)
    public, other = secp.public_key(secret), point()
    signature, message = secp.sign(secret, digest), single(*linked())
    empty, full = building(0), building(HTLCS)
    often, seldom = size.of(COUNT), size.of(COUNT // 10)
    return {
        SIGN: lambda: processor_seconds_each(often, lambda: secp.sign(secret, digest)),
        VERIFY: lambda: processor_seconds_each(often, lambda: secp.verify(public, digest, signature)),
        ECDH: lambda: processor_seconds_each(often, lambda: secp.ecdh(secret, other)),
        ONION: lambda: processor_seconds_each(often, lambda: sphinx.build(os.urandom(32), [(public, PAYLOAD)], digest)),
        PEEL: peeling(secret, digest, often),
        MESSAGE: lambda: processor_seconds_each(often, message),
        KEYS: deriving(seldom),
        BUILD: lambda: processor_seconds_each(seldom, empty),
        BUILD_FULL: lambda: processor_seconds_each(size.of(COUNT // 200), full),
        SYNC: lambda: seconds_each(seldom, sync),
    }


def measured(size: Size) -> dict[str, Series]:
    """Seconds of each primitive, in each round."""
    with scratch() as folder, syncing(folder / "sync", BLOB_BYTES) as sync:
        return contest(contestants(size, sync), size.rounds)


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section("primitives: processor time, but for fdatasync")
    for name, series in measured(size).items():
        section.time(name, series)
    return section
