"""Does the node compute for one plugin, and for all, no more than a part of its time, whatever is asked for?"""

import asyncio
import time
from pathlib import Path

from lnpd_sdk.services.signing import KeyPath, Spending

from lnpd.crypto.secp import public_key
from lnpd.services.plugins.offers.turns import RESTS, RESTS_OF_ALL
from lnpd.tx.sighash import TAPROOT_PREFIX
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.services.plugins.offers.desk import desk, joined

INPUTS, TIMES, OTHERS = 1_000, 6, 8


def test_what_is_dear_leaves_most_of_the_time_to_others(tmp_path: Path) -> None:
    """Nothing of it needs a grant: to hash a transaction of many inputs."""
    key = public_key(b"\x07" * 32)
    tx = Tx(tuple(TxIn(b"\x01" * 32, number) for number in range(INPUTS)), (TxOut(1_000, b"\x51"),)).serialise()
    spending = Spending(tx, ((2_000, TAPROOT_PREFIX + key[1:]),) * INPUTS, 0, KeyPath())

    async def main() -> None:
        async with desk(tmp_path) as host:
            node, other = await joined(host, "none"), await joined(host, "other")
            began, computed = time.monotonic(), time.thread_time()
            asked = [asyncio.create_task(node.adaptor_verify(spending, key, bytes(64))) for _ in range(TIMES)]
            assert await asyncio.gather(*asked) == [False] * TIMES
            computed, took = time.thread_time() - computed, time.monotonic() - began
            assert took > RESTS * computed * (TIMES - 1) / TIMES * 0.7, "it rests in between"
            began = time.monotonic()
            assert not await other.adaptor_verify(spending, key, bytes(64))
            assert time.monotonic() - began < RESTS * computed, "nobody else rests for it, nor for the last one"

            began, computed = time.monotonic(), time.thread_time()
            many = [await joined(host, f"one-of-{OTHERS}-{number}") for number in range(OTHERS)]
            await asyncio.gather(*(each.adaptor_verify(spending, key, bytes(64)) for each in many))
            computed, took = time.thread_time() - computed, time.monotonic() - began
            assert took > RESTS_OF_ALL * computed * (OTHERS - 1) / OTHERS * 0.7, "all together leave most of it, too"

    asyncio.run(main())
