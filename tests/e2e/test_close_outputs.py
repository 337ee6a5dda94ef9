"""Does a mutual close pay to others what a provider held, at any fee, and no more than was granted?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lnpd.crypto.secp import public_key
from lnpd.testing import Network, until
from tests.e2e.closing import confirmed_sat, driver_of
from tests.e2e.test_presigned import KINDS, PAYOUT_SAT, PRESIGNED, WITH_IT, offer

POINT = public_key(b"\x5a" * 32).hex()
BLOCKS = 'return Blocked(f"{sum(read(state))} sat are put aside, for their payer to settle") if state else Closable()'


def closing(folder: Path, paid: str) -> dict[str, Any]:  # Any: whatever Config takes
    """The same plugin, whose close pays a stranger so much of the opener's."""
    plugin, source = folder / "closing.py", PRESIGNED.read_text()
    assert source.count(BLOCKS) == source.count("    ChildTx,\n") == 1
    script = f'Miniscript("and_v(v:pk({POINT}),older(6))")'
    pays = f"return Closable(outputs=(CloseOutput({paid}, {script}, (1000 * {paid}, 0)),))"
    plugin.write_text(source.replace(BLOCKS, pays).replace("    ChildTx,\n", "    ChildTx,\n    CloseOutput,\n"))
    return {**WITH_IT, "plugins": (plugin,)}


def test_what_was_put_aside_is_paid_to_a_stranger(tmp_path: Path) -> None:
    async def main() -> None:
        with_it = closing(tmp_path, "read(state)[0]")
        async with Network(tmp_path / "n") as network:
            alice, bob = await network.node("alice", **with_it), await network.node("bob", **with_it)
            channel = await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=KINDS[0])
            await offer(alice, bob, channel)
            (funding,) = driver_of(alice).channel.fundings
            before_sat = [await confirmed_sat(node) for node in (alice, bob)]
            assert (await bob.api.close(channel, False, None)).how == "mutual"
            await network.spent(f"{funding.txid[::-1].hex()}:{funding.vout}")
            await network.mine(1)
            gained = [await confirmed_sat(n) - was for n, was in zip((alice, bob), before_sat, strict=True)]
            assert gained[1] == 400_000
            assert 500 < 600_000 - PAYOUT_SAT - gained[0] < 2_500 * 900 // 1000, "the opener's fee, for what it weighs"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("paid", "words"),
    [
        ("200", "an output of its close of 200 sat is dust"),
        ("700_000", "its last balance moves do not add up"),
        ("25_001", "its close would take 25001000 msat of ours, its outputs hold 25000000"),
        ("500_001", "its close would take 500001000 msat of ours, 500000000 are granted"),
    ],
)
def test_a_close_that_pays_too_much_or_dust_is_blocked(tmp_path: Path, paid: str, words: str) -> None:
    async def main() -> None:
        with_it = {**closing(tmp_path, paid), "grants": (("presigned", "updates:500000"),)}
        async with Network(tmp_path / "n") as network:
            alice, bob = await network.node("alice", **with_it), await network.node("bob", **with_it)
            channel = await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=KINDS[0])
            await offer(alice, bob, channel)
            asked = asyncio.ensure_future(alice.api.close(channel, False, None))
            await until(lambda: driver_of(alice).channel.blocked_by, "who blocks the close")
            assert driver_of(alice).channel.blocked_by == (("presigned", words),)
            asked.cancel()

    asyncio.run(main())
