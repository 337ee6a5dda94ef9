"""Does the node compute for one plugin, and for all, no more than a part of its time, whatever is asked for?"""

import asyncio
import time
from pathlib import Path

import pytest
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


def test_nobody_rests_for_what_others_compute_while_a_service_waits(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as host:
            await joined(host, "one")
            (one,), turns = host.plugins, host.desk.turns
            going, cancelled = asyncio.Event(), asyncio.Event()

            async def waits() -> None:
                going.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.set()
                    raise

            waiting = asyncio.create_task(turns.take(one, waits))
            await going.wait()
            end = time.thread_time() + 0.1
            while time.thread_time() < end:  # a channel's work
                pass
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled() and cancelled.is_set()
            assert turns._rested_at - asyncio.get_running_loop().time() < 0.1

            async def fails() -> None:
                await asyncio.sleep(0)
                raise KeyError("what the service raises")

            with pytest.raises(KeyError, match="what the service raises"):
                await turns.take(one, fails)

    asyncio.run(main())
