"""Does a whole channel type of a plugin's work between real nodes: opened, paid over, closed, recovered, refused?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from embit.descriptor import Descriptor
from lnpd_sdk.script import Miniscript, Taproot

from lnpd.chain.interface import Outcome
from lnpd.crypto.secp import public_key, sign
from lnpd.errors import ChannelRefused, ChannelTypeUnknown
from lnpd.services.backup.file import BACKUP_NAME
from lnpd.services.node.node import Node
from lnpd.testing import Network, until, until_asked
from lnpd.testing.network import DEPTH
from lnpd.tx.funding import compiled_of, funding_output
from lnpd.tx.graph import Funding
from lnpd.tx.signatures import input_digest, witness
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse
from tests.e2e.closing import Money, confirmed_sat, driver_of, finish, full_blocks
from tests.e2e.test_restore import bring_back
from tests.e2e.thief import loot

SECRET = b"\x77" * 32
KEY = public_key(SECRET).hex()
KIND = "recovery/anchors"
LOCK_BLOCKS = 4_032
PLUGIN = Path(__file__).parents[2] / "plugins" / "examples" / "recovery.py"


def with_key(key: str = KEY) -> dict[str, Any]:  # Any: whatever Config takes
    """A node whose user named this key."""
    options = (("recovery", "key", key),) if key else ()
    return {"plugins": (PLUGIN,), "grants": (("recovery", "hook:funding_keys"),), "plugin_options": options}


async def pair(network: Network) -> tuple[Node, Node, str, Funding]:
    alice, bob = await network.node("alice", **with_key()), await network.node("bob", **with_key())
    channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000, kind=KIND)
    invoice = await bob.api.invoice(50_000_000, "over a funding of another kind", 3600)
    await alice.api.pay(invoice.invoice, None, 20)
    await until(lambda: not driver_of(alice).channel.log and not driver_of(bob).channel.log, "the end of all updates")
    (funding,) = driver_of(alice).channel.fundings
    assert funding == driver_of(bob).channel.fundings[0]
    assert KEY in str(funding.script)
    return alice, bob, channel, funding


async def mined(network: Network, funding: Funding) -> Tx:
    """What took the funding; it is in the tip."""
    await network.spent(f"{funding.txid[::-1].hex()}:{funding.vout}")
    tip = await network.mine(1)
    block = await network.chain.block_at(tip)
    assert block is not None
    for txid in block.txids:
        found = await network.chain.transaction(txid)
        assert found is not None
        tx = parse(found.transaction)
        if any((each.txid, each.vout) == (funding.txid, funding.vout) for each in tx.inputs):
            return tx
    raise AssertionError("no transaction of the tip takes the funding")


def recovered(funding: Funding, older: int) -> Tx:
    """What the key's owner makes of a funding, by its script alone."""
    compiled = compiled_of(funding)
    (path,) = [each for each in compiled.paths if each.older]
    tx = Tx((TxIn(funding.txid, funding.vout, older),), (TxOut(funding.capacity_sat - 1_000, b"\0\x14" + bytes(20)),))
    digest = input_digest(tx, 0, path, compiled.witness_script, (funding_output(funding),))
    return tx.with_witness(0, witness(path, compiled.witness_script, {KEY: sign(SECRET, digest)}, {}))


def test_it_is_opened_paid_over_restarted_and_closed_by_agreement(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel, funding = await pair(network)
            bob = await network.restart(bob)
            await network.active(channel, alice, bob)
            before_sat = await confirmed_sat(bob)
            closed = await alice.api.close(channel, False, None)
            assert closed.how == "mutual"
            tx = await mined(network, funding)
            assert tx.inputs[0].witness[-1] == funding.witness_script
            assert len(tx.outputs) == 2
            assert await confirmed_sat(bob) - before_sat == 250_000

    asyncio.run(main())


def test_it_is_closed_by_force_without_the_plugin_and_with_its_mark(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel, funding = await pair(network)
            assert {row.type for node in (alice, bob) for row in await node.api.channels()} == {KIND}
            before_sat, bobs_sat = await confirmed_sat(alice), await confirmed_sat(bob)
            for node in (alice, bob):
                await node.plugins.stop()
            await alice.api.close(channel, True, None)
            tx = await mined(network, funding)
            assert tx.inputs[0].witness[-1] == funding.witness_script
            assert b"\x6a\x08recovery" in {each.script_pubkey for each in tx.outputs}
            actual, expected = tx.weight, driver_of(bob).channel.channel_type.commitment_weight + 4 * (8 + 1 + 10)
            assert expected - 20 < actual <= expected  # a signature may be shorter

            async def home() -> bool:
                await network.mine(12)
                return await confirmed_sat(alice) - before_sat > 740_000

            await until_asked(home, "what is alice's, after to_self_delay")
            assert 240_000 < await confirmed_sat(bob) - bobs_sat < 250_000, "its own, by a leaf of taproot"

    asyncio.run(main())


def test_a_stale_state_is_punished_without_the_plugin(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, _, _ = await pair(network)
            stolen = await loot(alice, back=1)
            money = Money(network)
            await money.begin(bob)
            await network.stop(alice)
            await bob.plugins.stop()
            await full_blocks(network, 2, stolen.commitment)
            await finish(network, bob)
            graph, fees = stolen.kept.graph, await money.fees_sat(bob)
            assert {type(each.script) for each in graph.outputs if each.provider == "base"} == {Miniscript, Taproot}
            everything_sat = graph.funding.capacity_sat - graph.fee_sat - await money.unspent_anchors_sat()
            assert await money.gained_sat(bob) == everything_sat - fees["bob"]

    asyncio.run(main())


@pytest.mark.parametrize("lost", ["who closed", "the other"])
def test_its_balance_comes_back_from_a_backup(tmp_path: Path, lost: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel, funding = await pair(network)
            node, left_sat = (alice, 740_000) if lost == "who closed" else (bob, 240_000)
            backup = tmp_path / "saved.backup"
            backup.write_bytes((node.config.directory / BACKUP_NAME).read_bytes())
            before_sat = await confirmed_sat(node)
            await alice.api.close(channel, True, None)
            await mined(network, funding)
            await network.stop(node)
            again = await bring_back(network, node, backup)
            assert [row.type for row in await again.api.channels()] == [KIND]

            async def home() -> bool:
                await network.mine(12)
                return await confirmed_sat(again) - before_sat > left_sat

            await until_asked(home, "what the backup knows of")

    asyncio.run(main())


def test_the_key_recovers_it_when_its_lock_is_over_and_not_before(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel, funding = await pair(network)
            text = await bob.api.call_plugin("recovery-descriptor", {"channel_id": channel})
            told = Descriptor.from_string(str(text)).script_pubkey()
            assert told.data == funding_output(funding).script_pubkey  # what another wallet makes of it
            await network.stop(alice)
            await network.stop(bob)
            await network.chain.mine(LOCK_BLOCKS - DEPTH - 1)
            for older, ends in ((LOCK_BLOCKS, "non-BIP68-final"), (LOCK_BLOCKS - 1, "mandatory-script-verify")):
                refused = await network.chain.broadcast((recovered(funding, older).serialise(),))
                assert refused.outcome is Outcome.REFUSED and ends in refused.reason, refused
            await network.chain.mine(1)
            tx = recovered(funding, LOCK_BLOCKS)
            assert (await network.chain.broadcast((tx.serialise(),))).outcome is Outcome.ACCEPTED
            assert await mined(network, funding) == tx

    asyncio.run(main())


OTHERS: dict[str, tuple[dict[str, Any], str]] = {  # Any: whatever Config takes
    "without the plugin": ({}, "No plugin here has the channel type 'recovery/anchors'"),
    "with another key": (with_key(public_key(b"\x78" * 32).hex()), "recovery/anchors: this node would not pay"),
    "with no key": (with_key(""), "recovery/anchors: no plugin of this node names the keys"),
    "with no hex": (with_key("my key"), "recovery/anchors: a key of the funding is not in hex"),
    "with no point": (with_key("02" + "00" * 32), "recovery/anchors: The funding's keys are recovery_key, each a comp"),
    "with no grant": (with_key() | {"grants": ()}, "recovery/anchors: no plugin of this node names the keys"),
}


@pytest.mark.parametrize(("other", "words"), OTHERS.values(), ids=OTHERS)
def test_another_node_refuses_it_by_name(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **with_key()), await network.node("bob", **other)
            with pytest.raises(ChannelRefused, match=words):
                await network.channel(alice, bob, 1_000_000, kind=KIND)
            assert not bob.channels.drivers

    asyncio.run(main())


def test_its_variant_that_hides_the_channel_has_the_same_funding(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **with_key()), await network.node("bob", **with_key())
            await network.channel(alice, bob, 1_000_000, kind=f"{KIND}+scid_alias")
            channel = driver_of(bob).channel
            assert channel.funding_type is not None and channel.funding_type.name == f"{KIND}+scid_alias"
            assert KEY in str(channel.fundings[0].script) and "option_scid_alias" in channel.channel_type.features

    asyncio.run(main())


def test_who_opens_it_has_to_name_a_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **with_key("")), await network.node("bob", **with_key())
            with pytest.raises(ChannelTypeUnknown, match="no plugin of this node names the keys"):
                await network.channel(alice, bob, 1_000_000, kind=KIND)
            assert not alice.channels.drivers and not bob.channels.drivers

    asyncio.run(main())
