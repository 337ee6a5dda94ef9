"""Does each of the node's checks find what is made wrong, and does the command that it names mend it?"""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd.chain.bitcoind.state import BitcoindState
from lnpd.chain.interface import BlockRef, BlockSummary, BroadcastResult, Outcome, Verdict
from lnpd.channel.feerates import Estimates
from lnpd.cli.doctor.run import LOCAL_CHECKS
from lnpd.config import Address, Config
from lnpd.errors import ChainUnreachable
from lnpd.rpc.answers import Finding
from lnpd.services.doctor.check import MOST_OF_A_CHECK, Check, Line, found_by, hint
from lnpd.services.doctor.of_chain import of_bitcoind, of_electrum, told_by
from lnpd.services.doctor.patient import Bounds, Patient
from lnpd.services.doctor.table import NODE_CHECKS
from lnpd.services.node.node import Node
from lnpd.services.rpc import dispatch
from lnpd.testing import Network, free_port, until, until_asked
from tests.cli.doctor.commands import asked, is_of, is_real, meant, starts

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
    found = list(of_bitcoind(state, 50, Config(directory=Path("/tmp"), network="signet")))
    assert len(found) == bool(expected)
    for each in found:
        assert f"{each.severity}: {each.text}".startswith(expected)
        is_real(each.command)
        assert "-signet" in each.command or "-version" in each.command


def test_bitcoind_is_told_which_chain_is_meant() -> None:
    config = Config(directory=Path("/tmp"), network="bitcoin")
    (found,) = of_bitcoind(replace(SOUND, peers=0), 50, config)
    assert found.command == "bitcoin-cli setnetworkactive true"
    (found,) = of_bitcoind(replace(SOUND, peers=0), 50, replace(config, bitcoind_directory=Path("/mnt/my disk")))
    assert found.command == "bitcoin-cli -datadir='/mnt/my disk' setnetworkactive true"


NOW = 1_800_000_000
CLOCKS: dict[str, tuple[int, int, bool, str]] = {  # of the newest block: its time and the median's, from now
    "all is well": (-600, -3900, False, ""),
    "a block that is early": (7000, -10, False, ""),
    "more than two hours": (7201, -10, False, "the clock is behind: the newest block, 100, is of 2 h from now"),
    "the median is to come": (6000, 300, False, "the clock is behind: the median time of the newest block, 100, and"),
    "no block for long": (-5 * 3600, -6 * 3600, False, "the newest block, 100, is of 5 h ago: the clock is ahead, or"),
    "mined on command": (-5 * 3600, 4000, True, ""),
    "and far ahead": (8000, 4000, True, "the clock is behind: the newest block, 100, is of 2 h from now"),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_a_clock_is_judged_by_the_newest_block(case: str) -> None:
    ahead, median_ahead, mined_on_command, expected = CLOCKS[case]
    tip = BlockSummary(BlockRef(100, bytes(32)), bytes(32), NOW + ahead, NOW + median_ahead, ())
    found = told_by(tip, NOW, Bounds(), mined_on_command)
    assert len(found) == bool(expected) and all(each.startswith(expected) for each in found)


@pytest.mark.parametrize(("server", "servers", "severity"), [("", 1, "danger"), ("a:1", 1, "hint"), ("a:1", 2, "ok")])
def test_an_electrum_server_is_named(server: str, servers: int, severity: str) -> None:
    found = of_electrum(server, servers, Line("lnpd --electrum ssl://a:1 --electrum ssl://HOST:PORT"))
    assert found.severity == severity and server in found.text
    assert severity == "ok" or is_real(found.command) is None


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


# What the story does not make wrong, and why.
UNSEEN = {
    ("database", "lnp stop"): "pages that are damaged under a running node",
    ("database", "lnp check"): "tests/e2e/test_old_copy.py, tests/services/backup",
    ("frozen", "lnp check"): "a signer that refuses its own channel: tests/services/channels",
    ("closes", "lnp channels"): "a peer that never agrees on a fee",
    ("chain", "bitcoind CHAIN -daemon"): "a bitcoind: above",
    ("wallet", "lnp funds"): "a wallet whose past is looked for: tests/services/wallet",
}


class Ward:
    """A node, what its doctor says of it, and what is done about it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.found: set[tuple[str, str]] = set()

    async def says(self, check: str, severity: str, words: str, **how: Any) -> str:
        """A check finds this, and names one of its commands."""
        hits = await self._hits(check, severity, words, **how)
        assert hits, f"{check} does not say {words!r}"
        return hits[0].command

    async def is_mended(self, check: str, severity: str, words: str, **how: Any) -> None:
        """The same, and its command, done by the node, makes it go away."""
        line = await self.says(check, severity, words, **how)
        await self.does(line)

        async def gone() -> bool:
            return not await self._hits(check, severity, words, **how)

        await until_asked(gone, f"{line} mends it")

    async def does(self, line: str) -> None:
        """A command of lnp."""
        command, params = asked(line)
        await dispatch.call(self.node.api, command.method, params)

    async def is_mended_by_a_start(self, check: str, severity: str, words: str, **how: Any) -> Config:
        """The same of a command that starts the node: with which configuration?"""
        return meant(starts(await self.says(check, severity, words, **how)))

    async def _hits(self, check: str, severity: str, words: str, **how: Any) -> list[Finding]:
        patient = Patient(self.node.api._services, **how)
        row = next(each for each in NODE_CHECKS if each.name == check)
        found = await found_by([row], patient)
        hits = [each for each in found if each.severity == severity and words.lower() in each.text.lower()]
        for each in hits:
            rows = [command for command in row.mends if is_of(each.command, command)]
            assert rows, each
            is_real(each.command)
            self.found |= {(check, command) for command in rows}
        return hits


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
            await _of_the_chain(ward)
            await _of_channels(network, ward, bob, channel)
            rows = {(check.name, command) for check in NODE_CHECKS for command in check.mends}
            assert {each for each in rows - ward.found if each[0] not in ("bitcoind", "electrum")} == set(UNSEEN)

    asyncio.run(main())


def _grants() -> tuple[tuple[str, str], ...]:
    return tuple((grant.partition("=")[0], grant.partition("=")[2]) for grant in HOLDING)


async def _of_the_node(ward: Ward) -> None:
    node = ward.node
    started = await ward.is_mended_by_a_start("backup", "hint", "the only backup of the channels")
    assert started.backup_file == Path("/media/usb/channels.backup")
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
    await ward.is_mended("ports", "warning", f"nobody listens at {missing}")


async def _of_plugins(ward: Ward) -> None:
    node = ward.node
    (plugin,) = node.plugins.plugins
    assert plugin.manifest is not None
    await ward.says("plugins", "hint", "took more than", bounds=Bounds(slow_seconds=0.0))
    manifest, plugin.manifest = plugin.manifest, replace(plugin.manifest, contract=1)
    await ward.says("versions", "hint", "speaks version 1 of the contract")
    plugin.manifest = manifest
    started = await ward.is_mended_by_a_start("plugins", "hint", "the plugin lockbox asks for what it is not")
    assert started.granted()["lockbox"] == ("updates:1000000",)
    node.plugins._grants["lockbox"] = ("messages", "updates:1")
    await ward.says("plugins", "hint", "the plugin lockbox: messages is granted, but not asked for")
    node.plugins._grants.clear()
    await node.api.plugin_stop("lockbox")
    await ward.says("plugins", "danger", "needs the provider lockbox")
    await ward.says("frozen", "danger", "is frozen")
    await ward.is_mended("plugins", "warning", "the plugin lockbox does not run (stopped)")
    await until_asked(lambda: _nothing(ward, "frozen"), "the channel thaws")
    node.plugins.plugins[0].dropped = 3
    await ward.is_mended("plugins", "warning", "3 messages were dropped")


async def _nothing(ward: Ward, check: str) -> bool:
    return not await ward._hits(check, "danger", "")


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
    again = await _of_a_peer_that_is_away(network, ward, bob)
    paying.cancel()
    await _of_a_close(network, ward, again)


async def _of_a_peer_that_is_away(network: Network, ward: Ward, bob: Node) -> Node:
    """Bob, who came back."""
    node, where = ward.node, bob.peers.listening()
    await network.stop(bob)
    await until(lambda: not node.channels.links or None, "bob is gone")
    later = time.time() + 7_210
    line = await ward.says("peers", "warning", "is away for 2 h, with 1 HTLCs in flight; in ", now_unix_seconds=later)
    again = await network.node("bob", plugins=(LOCKBOX, HOLD), grants=_grants(), listen=where)
    await ward.does(line)
    assert not await ward._hits("peers", "warning", "is away for")
    return again


async def _of_a_close(network: Network, ward: Ward, bob: Node) -> None:
    node = ward.node
    await network.stop(bob)
    await until(lambda: not node.channels.links or None, "bob is gone")
    backend: Any = node.backend
    broadcast = backend.broadcast

    async def refuse(txs: tuple[bytes, ...]) -> BroadcastResult:
        return BroadcastResult(Outcome.REFUSED, "too dear", (Verdict(bytes(32), Outcome.REFUSED, "too dear"),))

    backend.broadcast = refuse
    later, bounds = time.time() + 7_210, Bounds(long_seconds=3_600)
    await ward.is_mended("peers", "warning", "until it is closed", now_unix_seconds=later, bounds=bounds)

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
