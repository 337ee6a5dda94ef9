"""How much of building and peeling an onion is elliptic curves, which nobody can do without?

The limit is the bare calls of libsecp256k1: for each hop to build, a product with its key, and before it a point of the
ephemeral secret; to peel, reading the point, a product, and a second one where the onion goes on.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from contrib.bench.measure import Size, Timed, contest, processor_seconds_each, processor_seconds_each_of
from contrib.bench.profiling import profile
from contrib.bench.report import Section, at_least
from lnpd.crypto import secp, sphinx

HOPS = (1, 20)
COUNT = 400
PAYLOAD = bytes(30)
GOAL_BUILD, GOAL_PEEL = 0.5, 0.55
CONTEXT: Any = GLOBAL_CONTEXT.ctx  # Any: C data


def parsed(point: bytes) -> Any:  # Any: C data
    """A point as the library has it."""
    key = ffi.new("secp256k1_pubkey *")
    assert lib.secp256k1_ec_pubkey_parse(CONTEXT, key, point, len(point))
    return key


def limit_of_building(keys: Sequence[Any]) -> Callable[[], object]:
    """A point and a product for each hop."""
    secret, made, shared = os.urandom(32), ffi.new("secp256k1_pubkey *"), ffi.new("unsigned char[32]")

    def operation() -> None:
        for key in keys:
            lib.secp256k1_ec_pubkey_create(CONTEXT, made, secret)
            lib.secp256k1_ecdh(CONTEXT, shared, key, secret, ffi.NULL, ffi.NULL)

    return operation


def limit_of_peeling(secret: bytes, last: bool) -> Callable[[bytes], object]:
    """The products that one hop needs."""
    tweak, shared = os.urandom(32), ffi.new("unsigned char[32]")

    def operation(onion: bytes) -> None:
        key = parsed(onion[1:34])
        lib.secp256k1_ecdh(CONTEXT, shared, key, secret, ffi.NULL, ffi.NULL)
        if not last:
            lib.secp256k1_ec_pubkey_tweak_mul(CONTEXT, key, tweak)

    return operation


def compared(section: Section, size: Size, hops: int) -> None:
    """Adds building and peeling at one length of the route."""
    secrets = [os.urandom(32) for _ in range(hops)]
    route = [(secp.public_key(secret), PAYLOAD) for secret in secrets]
    count, data = size.of(COUNT // hops, 2), os.urandom(32)
    bare_build = limit_of_building([parsed(key) for key, _ in route])
    bare_peel = limit_of_peeling(secrets[0], last=hops == 1)

    def build() -> sphinx.Onion:
        return sphinx.build(os.urandom(32), route, data)

    def peel(onion: bytes) -> object:
        return sphinx.peel(secrets[0], onion, data)

    def onions() -> list[bytes]:
        return [build().packet for _ in range(count)]  # fresh ones: a point that was seen before is kept parsed

    contestants: dict[str, Timed] = {
        f"build, {hops} hops": lambda: processor_seconds_each(count, build),
        f"build, {hops} hops: curves only": lambda: processor_seconds_each(count, bare_build),
        f"peel, {hops} hops": lambda: processor_seconds_each_of(peel, onions()),
        f"peel, {hops} hops: curves only": lambda: processor_seconds_each_of(bare_peel, onions()),
    }
    found = contest(contestants, size.rounds)
    for name, series in found.items():
        section.time(name, series)
    whys = (
        partial(profile, lambda: processor_seconds_each(count, build)),
        partial(profile, lambda: processor_seconds_each_of(peel, onions())),
    )
    for what, goal, why in zip(("build", "peel"), (GOAL_BUILD, GOAL_PEEL), whys, strict=True):
        name = f"{what}, {hops} hops"
        ratio = found[f"{name}: curves only"].over(found[name])
        section.ratio(f"{name}: speed / curves only", ratio, at_least(goal), why)


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section("onion: 1300 bytes of payloads, processor time")
    for hops in HOPS:
        compared(section, size, hops)
    return section
