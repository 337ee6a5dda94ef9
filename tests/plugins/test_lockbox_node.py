"""Does each of several boxes that are opened at once come back with its own number?"""

import asyncio
from pathlib import Path

from lnpd.testing import Network
from tests.plugins.two_parties import PLUGINS


def test_boxes_that_are_opened_in_one_batch_have_their_own_numbers(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            with_lockbox = {"plugins": (PLUGINS / "lockbox.py",), "grants": (("lockbox", "updates:1000000"),)}
            alice, bob = [await network.node(name, **with_lockbox) for name in ("alice", "bob")]
            channel = await network.channel(alice, bob, 1_000_000, push_sat=0, kind="lockbox/static_remotekey")
            amounts = [20_000, 21_000, 22_000, 23_000]
            asked = [{"channel_id": channel, "amount_sat": amount} for amount in amounts]
            answers = await asyncio.gather(*(alice.api.call_plugin("lockbox-put", each) for each in asked))
            numbers = {answer["amount_sat"]: answer["box"] for answer in answers}  # type: ignore[index]  # a map
            assert sorted(numbers.values()) == [0, 1, 2, 3]
            async with asyncio.timeout(30):
                while len(rows := await bob.api.call_plugin("lockbox-list", {})) < 4:  # type: ignore[arg-type]
                    await asyncio.sleep(0.01)
            assert {row["amount_sat"]: row["box"] for row in rows} == numbers  # type: ignore[attr-defined]

    asyncio.run(main())
