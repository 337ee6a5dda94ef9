"""Do whole nodes live on a real bitcoind as on the embedded chain, and does it take every transaction they make?"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contrib.regtest import bitcoind as regtest
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked
from tests.e2e.closing import (
    Ears,
    Money,
    broadcast_commitment,
    confirmed_sat,
    driver_of,
    ears,
    estimate,
    finish,
    know,
    offer,
    part,
    pass_blocks,
    preimage,
)
from tests.e2e.judged import Judged, judging
from tests.e2e.test_lockbox import KINDS as BOX_KINDS
from tests.e2e.test_lockbox import pair
from tests.e2e.test_penalties import secured
from tests.e2e.test_worst_days import present_commitment
from tests.e2e.thief import loot
from tests.interop import bitcoind as interop
from tests.interop.bitcoind import Bitcoind, a_bitcoind

KINDS = ["anchors_zero_fee_htlc_tx", "static_remotekey"]
TO_REMOTE = {"anchors_zero_fee_htlc_tx": "sweep of to_remote (anchors)", "static_remotekey": "payment from keys"}

HURRY_PER_KW = 6_000


@pytest.fixture
def judged() -> Iterator[Judged]:
    with judging() as found:
        yield found


@asynccontextmanager
async def a_network(directory: Path) -> AsyncIterator[tuple[Network, Bitcoind]]:
    """A network on a bitcoind that finds every transaction again."""
    made = a_bitcoind(directory, "-txindex=1")
    async with made as bitcoind, Network(directory / "n", bitcoind=bitcoind.directory) as network:
        yield network, bitcoind


@pytest.mark.parametrize("kind", KINDS)
def test_open_pay_restart_and_close(tmp_path: Path, kind: str, judged: Judged) -> None:
    async def main() -> None:
        async with a_network(tmp_path) as (network, bitcoind):
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000, kind=kind)
            invoice = await bob.api.invoice(50_000_000, "coffee", 3600)
            paid = await alice.api.pay(invoice.invoice, None, 20)
            assert paid.amount_msat == 50_000_000
            bob = await network.restart(bob)
            await asyncio.to_thread(bitcoind.stop)
            await network.active(channel, alice, bob)
            back = await alice.api.invoice(7_000_000, "change", 3600)
            await bob.api.pay(back.invoice, None, 20)  # a channel needs no chain to be paid in
            await asyncio.to_thread(bitcoind.start)

            async def settled() -> bool:
                rows = [await shown(node, channel) for node in (alice, bob)]
                return [r and (r.ours_msat, r.htlcs) for r in rows] == [(957_000_000, ()), (43_000_000, ())]

            await until_asked(settled, "both balances")
            closed = await alice.api.close(channel, False, None)
            await network.seen(closed.txid)
            before = (await bob.wallet.balance()).confirmed_sat
            await network.mine(1)
            assert (await bob.wallet.balance()).confirmed_sat - before == 43_000
            await network.mine(100)
            await until(lambda: not alice.channels.drivers and not bob.channels.drivers, "the channels are settled")

    asyncio.run(main())
    assert judged.accepted >= {"payment from keys", "mutual close"}
    assert not judged.refused


async def in_flight(network: Network, kind: str) -> tuple[Node, Node, Ears, Ears]:
    """A channel of alice's with bob, with HTLCs both ways, of which each will know one preimage."""
    alice, bob = await network.node("alice"), await network.node("bob")
    await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=kind)
    await network.fund(bob, 200_000)
    heard = ears(alice), ears(bob)
    height = (await network.chain.best_block()).height
    for number, (payer, payee, amount_sat) in enumerate(
        ((alice, bob, 40_000), (alice, bob, 30_000), (bob, alice, 20_000), (bob, alice, 25_000)), 1
    ):
        await offer(payer, payee, number, amount_sat, height + 38 + 2 * number)
    return alice, bob, *heard


@pytest.mark.parametrize("kind", KINDS)
def test_every_transaction_of_a_forced_close_is_taken(tmp_path: Path, kind: str, judged: Judged) -> None:
    async def main() -> None:
        async with a_network(tmp_path) as (network, _):
            alice, bob, alices, _bobs = await in_flight(network, kind)
            money = Money(network)
            await money.begin(alice, bob)
            await part(alice)
            await estimate(network, HURRY_PER_KW)  # a commitment pays less, and cannot be changed any more
            await broadcast_commitment(network, alice)
            await know(alice, 0, 3)
            await pass_blocks(network, 2)
            await know(bob, 0, 1)
            await until(lambda: alices.fulfilled == {0: preimage(1)}, "the preimage, which no block has shown yet")
            await finish(network, alice, bob)
            fees, anchors_sat = await money.fees_sat(alice, bob), await money.unspent_anchors_sat()
            assert await money.gained_sat(bob) == 400_000 + 40_000 - 20_000 - fees["bob"]
            paid_sat = fees["alice"] + fees["channel"] + anchors_sat
            assert await money.gained_sat(alice) == 600_000 - 40_000 + 20_000 - paid_sat

    asyncio.run(main())
    second_stage = {"HTLC-success", "HTLC-timeout", "sweep of a delayed output"}
    direct = {"claim by preimage", "claim by timeout", TO_REMOTE[kind]}
    assert judged.accepted >= {"commitment"} | second_stage | direct
    assert ({"commitment", "anchor", "payment from keys"} in judged.packages) is (kind == KINDS[0])
    assert not judged.refused


@pytest.mark.parametrize("kind", KINDS)
def test_every_penalty_is_taken(tmp_path: Path, kind: str, judged: Judged) -> None:
    async def main() -> None:
        async with a_network(tmp_path) as (network, _):
            alice, bob, *_ears = await in_flight(network, kind)
            stale = await present_commitment(alice, alice.channels.usable()[0].id.hex())
            await know(bob, 0, 1)
            await know(alice, 0, 3)
            await until(lambda: all(not driver_of(node).channel.log for node in (alice, bob)), "settled")
            before_sat = await confirmed_sat(bob)
            await network.stop(alice)
            result = await network.chain.broadcast((stale.serialise(),))
            assert not result.reason

            async def punished() -> bool:
                await network.mine(1)
                return await confirmed_sat(bob) > before_sat + 1_000_000 - 20_000

            await until_asked(punished, "every output of the cheat's")

    asyncio.run(main())
    assert judged.accepted >= {"commitment", "penalty of a delayed output", "penalty of an HTLC"}
    assert not judged.refused


@pytest.mark.parametrize("kind", BOX_KINDS)
def test_every_sweep_of_an_extension_output_is_taken(tmp_path: Path, kind: str, judged: Judged) -> None:
    async def main() -> None:
        async with a_network(tmp_path) as (network, _):
            alice, bob, _ = await pair(network, kind)
            money = Money(network)
            await money.begin(alice, bob)
            await broadcast_commitment(network, alice)
            await finish(network, alice, bob)
            fees = await money.fees_sat(alice, bob)
            assert await money.gained_sat(bob) == 200_000 - fees["bob"]
            anchors_sat = await money.unspent_anchors_sat()
            assert await money.gained_sat(alice) == 800_000 - fees["alice"] - fees["channel"] - anchors_sat

    asyncio.run(main())
    assert judged.accepted >= {"commitment", "sweep of a box", "sweep of a delayed output"}
    assert not judged.refused


@pytest.mark.parametrize("kind", BOX_KINDS)
def test_every_penalty_of_an_extension_output_is_taken(tmp_path: Path, kind: str, judged: Judged) -> None:
    async def main() -> None:
        async with a_network(tmp_path) as (network, _):
            alice, bob, _ = await pair(network, kind)
            stolen = await loot(alice)
            invoice = await bob.api.invoice(5_000_000, "after it", 3600)
            await alice.api.pay(invoice.invoice, None, 20)
            await until(lambda: all(not driver_of(node).channel.log for node in (alice, bob)), "settled")
            await network.stop(alice)
            bob = await network.restart(bob, plugins=(), grants=())
            money = Money(network)
            await money.begin(bob)
            await network.chain.broadcast((stolen.commitment.serialise(),))
            await pass_blocks(network, 2)
            await secured(network, bob, money, stolen)

    asyncio.run(main())
    assert judged.accepted >= {"penalty of a box", "penalty of a delayed output"}
    assert not judged.refused


def test_a_daemon_finds_its_bitcoind_in_the_environment(tmp_path: Path) -> None:
    """And shows its password nowhere."""

    async def main() -> None:
        async with a_bitcoind(tmp_path) as bitcoind:
            line, place = [sys.executable, "-m"], [f"--directory={tmp_path}/node"]
            made = await asyncio.create_subprocess_exec(*line, "lnpd", "init", "--plain-seed", *place, stdout=PIPE)
            await made.communicate()
            node = await asyncio.create_subprocess_exec(
                *line, "lnpd", "--plain-seed", "--listen=none", "--log-level=debug", *place,
                stdout=PIPE, stderr=PIPE, env={**os.environ, "LNPD_BITCOIND": bitcoind.url},
            )  # fmt: skip
            assert node.stdout is not None
            assert b"ready" in await asyncio.wait_for(node.stdout.readline(), 30)
            asked = await asyncio.create_subprocess_exec(*line, "lnpd.cli.lnp", *place, "mine", stdout=PIPE)
            await asked.communicate()
            assert (asked.returncode, bitcoind.call("getblockcount")) == (0, 1)
            node.terminate()
            _, log = await asyncio.wait_for(node.communicate(), 30)
            assert node.returncode == 0 and b"Satoshi" in log
            assert bitcoind.cookie.read_bytes().partition(b":")[2].strip() not in log

    asyncio.run(main())


def test_without_a_bitcoind_tests_are_skipped_but_never_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regtest, "_asked", lambda script: ("", "no network"))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"there is no bitcoind \(no network\)"):
        interop.program()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no bitcoind: no network"):
        interop.program()


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_a_funding_that_is_reorganised_away_comes_again(tmp_path: Path, depth: int) -> None:
    async def main() -> None:
        async with a_network(tmp_path) as (network, _):
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000)
            await network.mine(max(0, depth - 3))
            await network.chain.reorganise(depth, depth + 1)
            await network.mine(6)
            await network.active(channel, alice, bob)
            invoice = await bob.api.invoice(1_000_000, "after all", 3600)
            assert (await alice.api.pay(invoice.invoice, None, 20)).amount_msat == 1_000_000
            row = await shown(alice, channel)
            assert row is not None

    asyncio.run(main())
