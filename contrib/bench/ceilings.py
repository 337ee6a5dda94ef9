"""How fast could payments be at the most, from what their parts take in the same run?

A payment over one channel is 10 messages: update_add_htlc, update_fulfill_htlc, and for each of the two rounds both
sides' commitment_signed and revoke_and_ack. Each node signs two commitments and one HTLC, and verifies as many. The
payer builds an onion, the payee peels it. Seven syncs keep both from forgetting what they promised.

Both nodes run on one core, and what a payment needs happens one after the other: the ceiling is the sum. Nothing else
is in it: no key derived, no commitment built, no row encoded. What those two cost is in `with_commitments`.
"""

from collections.abc import Mapping

from contrib.bench.measure import Series
from contrib.bench.primitives import BUILD, BUILD_FULL, HTLCS, KEYS, MESSAGE, ONION, PEEL, SIGN, SYNC, VERIFY

ROUNDS = 2  # an HTLC goes into both commitments, and out of both
COMMITMENTS = 2 * ROUNDS  # both sides' in each round
SYNCS = 7
NODES = 2


def counts(together: int) -> dict[str, float]:
    """How often each primitive is done for one payment of `together` that share their commitments, in both nodes."""
    shared = 1 / together
    signatures = COMMITMENTS * shared + 2  # an HTLC is signed on both sides' commitments, in its first round
    messages = 2 + 2 * COMMITMENTS * shared
    return {SIGN: signatures, VERIFY: signatures, MESSAGE: messages, ONION: 1, PEEL: 1, SYNC: SYNCS * shared}


def commitments(together: int) -> dict[str, float]:
    """How often keys are derived and commitments built: each by who signs it and by who checks it."""
    each = COMMITMENTS * NODES / together
    if together < HTLCS:  # a few HTLCs make little difference
        return {KEYS: each, BUILD: each}
    return {KEYS: each, BUILD: each / 2, BUILD_FULL: each / 2}  # the first round leaves the HTLCs in, the second out


def seconds(found: Mapping[str, Series], needed: Mapping[str, float]) -> Series:
    """Seconds of one payment in each round, from that round's primitives."""
    rounds = range(len(found[SIGN].values))
    return Series(tuple(sum(found[name].values[n] * count for name, count in needed.items()) for n in rounds))
