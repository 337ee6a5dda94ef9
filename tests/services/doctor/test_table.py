"""Does each of the node's checks find what is made wrong, and does every command that one names exist?"""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd.chain.bitcoind.state import BitcoindState
from lnpd.chain.interface import BroadcastResult, Outcome, Verdict
from lnpd.channel.feerates import Estimates
from lnpd.cli.doctor.run import LOCAL_CHECKS
from lnpd.config import Address
from lnpd.errors import ChainUnreachable
from lnpd.rpc.answers import Finding
from lnpd.services.doctor.check import MOST_OF_A_CHECK, Check, found_by, hint
from lnpd.services.doctor.of_chain import of_bitcoind, of_electrum
from lnpd.services.doctor.patient import Bounds, Patient
from lnpd.services.doctor.table import NODE_CHECKS
from lnpd.services.node.node import Node
from lnpd.testing import Network, free_port, until, until_asked
from tests.cli.doctor.commands import is_of, is_real

PLUGINS = Path(__file__).parents[3] / "plugins"
LOCKBOX, HOLD = PLUGINS / "lockbox.py", PLUGINS / "examples" / "hold.py"
HOLDING = ("hold=invoice", "hold=hook:htlc_accepted")
SOUND = BitcoindState("/Satoshi:29.0.0/", 290_000, 100, 100, 0, 8, 0, True)


@pytest.mark.parametrize("check", [*NODE_CHECKS, *LOCAL_CHECKS], ids=lambda check: check.name)
def test_every_command_of_the_tables_exists(check: Check[Any]) -> None:
    assert check.mends and len(set(check.mends)) == len(check.mends)
    for command in check.mends:
        is_real(command)


def test_the_names_are_unique() -> None:
    names = [check.name for check in (*LOCAL_CHECKS, *NODE_CHECKS)]
    assert len(set(names)) == len(names) == 25


BITCOIND: dict[str, tuple[BitcoindState, str]] = {
    "it lacks blocks": (replace(SOUND, headers_height=500), "danger: bitcoind is at block 100 of 500"),
    "it has pruned too much": (
        replace(SOUND, pruned_below_height=99),
        "danger: bitcoind has pruned the blocks below 99",
    ),
    "it has pruned what is known": (replace(SOUND, pruned_below_height=51), ""),
    "it is alone": (replace(SOUND, peers=0), "warning: bitcoind is connected to nobody"),
    "it says nothing": (replace(SOUND, notifies=False), "hint: bitcoind publishes nothing by ZeroMQ"),
    "it is old": (replace(SOUND, version=260_000), "hint: /Satoshi:29.0.0/ relays no packages"),
    "all is well": (SOUND, ""),
}


@pytest.mark.parametrize("case", BITCOIND)
def test_a_bitcoind_is_judged_by_what_it_says(case: str) -> None:
    state, expected = BITCOIND[case]
    found = list(of_bitcoind(state, 50, False))
    assert len(found) == bool(expected)
    assert not found or f"{found[0].severity}: {found[0].text}".startswith(expected)


@pytest.mark.parametrize(("server", "servers", "severity"), [("", 1, "danger"), ("a:1", 1, "hint"), ("a:1", 2, "ok")])
def test_an_electrum_server_is_named(server: str, servers: int, severity: str) -> None:
    found = of_electrum(server, servers)
    assert found.severity == severity and server in found.text


def test_many_findings_of_a_check_are_cut() -> None:
    many: Check[int] = Check("many", "", lambda n: (hint("a", "lnp info") for _ in range(n)), ("lnp info",), "")
    found = asyncio.run(found_by([many], 300))
    assert len(found) == MOST_OF_A_CHECK + 1 and found[-1].text == "And 280 more of this kind."


def test_a_check_that_fails_leaves_the_others_theirs() -> None:
    def fails(_: int) -> Iterable[Finding]:
        raise ZeroDivisionError

    bad: Check[int] = Check("bad", "", fails, (), "")
    good: Check[int] = Check("good", "", lambda _: (), (), "all is well")
    found = asyncio.run(found_by([bad, good], 0))
    assert [(each.check, each.severity) for each in found] == [("bad", "warning"), ("good", "ok")]


class Ward:
    """A node, and what its doctor says of it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.found_in: set[str] = set()

    async def says(self, check: str, severity: str, words: str, **how: Any) -> None:
        """A check finds this, and names one of its commands."""
        patient = Patient(self.node.api._services, **how)
        row = next(each for each in NODE_CHECKS if each.name == check)
        found = await found_by([row], patient)
        hits = [each for each in found if each.severity == severity and words.lower() in each.text.lower()]
        assert hits, f"{check} does not say {words!r}, but {found}"
        for each in hits:
            assert any(is_of(each.command, command) for command in row.mends), each
            is_real(each.command)
        self.found_in.add(check)


def test_each_check_finds_what_is_wrong(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", plugins=(LOCKBOX,))
            bob = await network.node("bob", plugins=(LOCKBOX, HOLD), grants=_grants())
            channel = await network.channel(alice, bob, 1_000_000, kind="lockbox/anchors_zero_fee_htlc_tx")
            ward = Ward(alice)
            assert all(each.command == "" for each in await alice.api.doctor() if each.severity == "ok")
            assert {each.check for each in await alice.api.doctor()} == {each.name for each in NODE_CHECKS}
            await _of_the_node(ward)
            await _of_plugins(ward)
            await _of_channels(network, ward, bob, channel)
            await _of_the_chain(ward)
            assert ward.found_in == {each.name for each in NODE_CHECKS} - {"bitcoind", "electrum"}

    asyncio.run(main())


def _grants() -> tuple[tuple[str, str], ...]:
    return tuple((grant.partition("=")[0], grant.partition("=")[2]) for grant in HOLDING)


async def _of_the_node(ward: Ward) -> None:
    node = ward.node
    await ward.says("backup", "hint", "the only backup of the channels")
    path = node.config.directory / "channels.backup"
    path.unlink()
    await ward.says("backup", "danger", "is gone")
    path.mkdir()
    node.backup.write()
    await ward.says("backup", "danger", "there is no backup of the channels as they are")
    path.rmdir()
    node.backup.write()
    await ward.says("database", "warning", "its log has grown", bounds=Bounds(log_bytes=0))
    missing = Address("127.0.0.1", free_port())
    node.tuning.config = replace(node.tuning.config, listen=(*node.tuning.config.listen, missing))
    await ward.says("ports", "warning", f"nobody listens at {missing}")


async def _of_plugins(ward: Ward) -> None:
    node = ward.node
    (plugin,) = node.plugins.plugins
    assert plugin.manifest is not None
    await ward.says("plugins", "hint", "took more than", bounds=Bounds(slow_seconds=0.0))
    await ward.says("plugins", "hint", "the plugin lockbox: updates")
    manifest, plugin.manifest = plugin.manifest, replace(plugin.manifest, contract=1)
    await ward.says("versions", "hint", "speaks version 1 of the contract")
    plugin.manifest = manifest
    plugin.dropped = 3
    await ward.says("plugins", "warning", "3 messages were dropped")
    await node.api.plugin_stop("lockbox")
    await ward.says("plugins", "warning", "the plugin lockbox does not run (stopped)")
    await ward.says("plugins", "danger", "needs the provider lockbox")
    await ward.says("frozen", "danger", "is frozen")
    await node.api.plugin_start("lockbox")


async def _of_channels(network: Network, ward: Ward, bob: Node, channel: str) -> None:
    node = ward.node
    await network.active(channel, node, bob)
    made: Any = await bob.api.call_plugin("hold-invoice", {"amount_msat": 20_000_000, "description": ""})
    paying = asyncio.create_task(node.api.pay(made["invoice"], None, 60))

    async def waits() -> bool:
        return made["payment_hash"] in await bob.api.call_plugin("hold-list", {})  # type: ignore[operator]  # a list

    await until_asked(waits, "the payment waits")
    await ward.says("htlcs", "warning", "closes the channel", bounds=Bounds(near_blocks=60))
    node.feerates._estimates = Estimates(20_000, 20_000)
    node.feerates._reach.clear()
    await ward.says("feerates", "warning", "are due")
    await node.api.config_set("anchor_reserve_sat", "1000000")
    await ward.says("wallet", "warning", "that forced closes with anchors may cost")
    await network.stop(bob)
    await until(lambda: not node.channels.links or None, "bob is gone")
    await ward.says("peers", "warning", "is away, with 1 HTLCs in flight")
    backend: Any = node.backend
    broadcast = backend.broadcast

    async def refuse(txs: tuple[bytes, ...]) -> BroadcastResult:
        return BroadcastResult(Outcome.REFUSED, "too dear", (Verdict(bytes(32), Outcome.REFUSED, "too dear"),))

    backend.broadcast = refuse
    await node.api.close(channel, True, None)

    async def told() -> bool:
        return any("does not get out: too dear" in each for each in (await node.api.info()).warnings)

    await until_asked(told, "the refusal")
    await ward.says("closes", "danger", "does not get out: too dear")
    backend.broadcast = broadcast

    async def is_on_chain() -> bool:
        await network.mine(1)
        return (await node.api.channels())[0].state == "on_chain"

    await until_asked(is_on_chain, "the close")
    await ward.says("closes", "danger", "can be taken by the peer in", bounds=Bounds(rival_blocks=2_000))
    paying.cancel()


async def _of_the_chain(ward: Ward) -> None:
    node = ward.node
    heard = node.pulse.heard
    assert heard is not None
    await ward.says("clock", "danger", "the clock is behind", now_unix_seconds=heard.time_seconds - 8_000)
    await ward.says("clock", "warning", "the clock went back", now_unix_seconds=time.time() - 3_600)
    backend: Any = node.backend

    async def silent() -> None:
        raise ChainUnreachable("Nobody is there.")

    tip, backend.tip = backend.tip, silent
    await node.pulse.tip()
    await ward.says("chain", "danger", "the chain has not answered for")
    backend.tip = tip
    await node.pulse._ask()
