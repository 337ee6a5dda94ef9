"""Does the check find each kind of damage that is seeded into a store, and nothing in a healthy one?"""

import asyncio
import re
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lnpd.channel.actions import WatchOutput
from lnpd.channel.queries import commitment_key
from lnpd.channel.state import Channel, OnChain
from lnpd.errors import ChannelFrozen, StoreInconsistent
from lnpd.services.backup.check import check
from lnpd.services.chain.rows import read_row
from lnpd.services.chain.watch import NAMESPACE as WATCHES
from lnpd.services.channels.batch import INDEX, kept_of
from lnpd.services.node.node import Node
from lnpd.services.payments.circuits import CIRCUITS, key_of, open_circuits
from lnpd.services.payments.ledger import HtlcKey, payment_of
from lnpd.store.codec import decode, encode
from lnpd.store.database import DATABASE_NAME
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.testing import Network, shown, until
from lnpd.tx.states import HTLC, decode_htlcs, encode_state, htlcs_of
from tests.e2e.line import Hearing, in_a_row


async def used(network: Network) -> tuple[Node, Node, str]:
    """A channel in which six payments were made, three each way."""
    alice, bob = await network.node("alice"), await network.node("bob")
    name = await network.channel(alice, bob, 1_000_000, push_sat=300_000)
    for payer, payee in ((alice, bob), (bob, alice)) * 3:
        await payer.api.pay((await payee.api.invoice(1_000_000, "x", 3600)).invoice, None, 20)
    await until(lambda: not alice.channels.driver_of(name).channel.log, "the last payment's end")
    return alice, bob, name


def of(write: Write) -> Channel:
    (row,) = write.channels()
    return decode(row.snapshot, Channel, table="channel")


def save(write: Write, channel: Channel) -> None:
    write.save_channel(channel.key.encode(), channel.peer, encode(channel))


def other_balances(write: Write) -> None:
    channel = of(write)
    ours, theirs = channel.base.balances_msat
    save(write, replace(channel, base=replace(channel.base, balances_msat=(ours + 1, theirs))))


def moved_balances(write: Write) -> None:
    """5,000 sat of the peer's are ours: the sum is as before."""
    channel = of(write)
    opener, acceptor = channel.base.balances_msat
    save(write, replace(channel, base=replace(channel.base, balances_msat=(opener + 5_000_000, acceptor - 5_000_000))))


def another_signature(write: Write) -> None:
    channel = of(write)
    key = commitment_key(channel.fundings[0].txid, channel.us, channel.numbers[channel.us])
    kept = kept_of(write.record(channel.key.encode(), "commitment", key.encode()))
    assert kept is not None and kept.signatures is not None
    wrong = replace(kept.signatures, commitment=kept.signatures.commitment[::-1])
    value = encode(replace(kept, signatures=wrong))
    write.replace_record(channel.key.encode(), "commitment", key.encode(), value, kept.graph.tx.txid)


def no_watch(write: Write) -> None:
    for key, value in write.values(WATCHES):
        if isinstance(read_row(key, value).subject, WatchOutput):
            write.delete_value(WATCHES, key)


def an_unreadable_message(write: Write) -> None:
    write.add_inbox(of(write).key.encode(), "k", b"v")


def other_secrets(write: Write) -> None:
    """As if a bit had turned in what covers the newest secret."""
    channel = of(write)
    slots = channel.their_secrets.slots
    newest = min(range(len(slots)), key=lambda each: slots[each].index)
    slot = replace(slots[newest], secret=bytes([slots[newest].secret[0] ^ 1]) + slots[newest].secret[1:])
    secrets = replace(channel.their_secrets, slots=(*slots[:newest], slot, *slots[newest + 1 :]))
    save(write, replace(channel, their_secrets=secrets))


def no_secrets(write: Write) -> None:
    channel = of(write)
    save(write, replace(channel, their_secrets=replace(channel.their_secrets, slots=())))


def a_gone_commitment(write: Write) -> None:
    channel = of(write)
    save(write, replace(channel, numbers=(channel.numbers[0] + 1, channel.numbers[1])))


def no_index(write: Write) -> None:
    write.delete_value(INDEX, of(write).key.encode())


def no_snapshot(write: Write) -> None:
    channel = of(write)
    write.save_channel(channel.key.encode(), channel.peer, encode(channel)[:-1])


def a_payment_of_no_channel(write: Write) -> None:
    row = write.payments("paid")[0]
    write.set_payment(row.payment_hash, "pending", encode(replace(payment_of(row), htlc=HtlcKey("gone", 1))))


def a_message_for_nobody(write: Write) -> None:
    write.add_inbox(b"gone", "k", b"v")


def an_effect_of_nobody(write: Write) -> None:
    write.add_outbox("k", b"gone", b"v")


DAMAGE: tuple[tuple[Callable[[Write], object], str], ...] = (
    (other_balances, "its balances are"),
    (moved_balances, r"our commitment \d+ pays from \d+ and \d+ msat, and the channel has"),
    (moved_balances, r"the peer's commitment \d+ pays from"),
    (another_signature, "signatures that are not the peer's"),
    (no_watch, "nothing watches its funding"),
    (an_unreadable_message, "a message cannot be read"),
    (other_secrets, "another per-commitment point|has no secret"),
    (no_secrets, "has no secret"),
    (a_gone_commitment, "is not kept"),
    (no_index, "the index of our keys is missing"),
    (no_snapshot, "its snapshot cannot be read"),
    (a_payment_of_no_channel, "in the channel gone, which is unknown"),
    (a_message_for_nobody, "1 messages wait for a channel that is unknown"),
    (an_effect_of_nobody, "it is owed by the channel gone"),
)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the database of a node with a used channel, made while the node runs."""
    folder = tmp_path_factory.mktemp("check")
    copy = folder / "copy" / "lnpd.sqlite3"
    copy.parent.mkdir()

    async def main() -> None:
        async with Network(folder / "net") as network:
            alice, _, _ = await used(network)
            shown = await alice.api.check()
            assert (shown.channels, shown.problems) == (1, ()) and shown.commitments >= 10
            made = await alice.api.backup_database(str(copy))
            assert made.size_bytes == copy.stat().st_size

    asyncio.run(main())
    return copy


def test_a_copy_of_a_running_database_is_whole_and_private(healthy: Path) -> None:
    assert stat.S_IMODE(healthy.stat().st_mode) == 0o600
    with sqlite3.connect(healthy) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize(
    ("damage", "said"), DAMAGE, ids=[f"{damage.__name__}-{n}" for n, (damage, _) in enumerate(DAMAGE)]
)
def test_damage_is_found(tmp_path: Path, healthy: Path, damage: Callable[[Write], object], said: str) -> None:
    (tmp_path / healthy.name).write_bytes(healthy.read_bytes())
    store = Store.open(tmp_path, "regtest")
    try:
        assert store.read_sync(check).problems == ()
        store.write_sync(damage)
        problems = store.read_sync(check).problems
    finally:
        store.close_sync()
    assert any(re.search(said, each.what) for each in problems), problems
    assert all(each.where and each.advice for each in problems)


# HTLCs in flight: alice -> bob -> carol, who does not answer


@pytest.fixture(scope="module")
def in_flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of alice's, bob's and carol's databases with HTLCs at carol: two from alice, one from bob himself."""
    folder = tmp_path_factory.mktemp("flight")

    async def main() -> None:
        async with Network(folder / "net") as network:
            (alice, bob, carol), _ = await in_a_row(network, "alice", "bob", "carol")
            hearing = Hearing(carol, hold=True)
            paying = []
            for payer, amount_msat in ((alice, 50_000_000), (alice, 123), (bob, 7_000_001)):  # one of them is trimmed
                invoice = await carol.api.invoice(amount_msat, "x", 3600)
                paying.append(asyncio.create_task(payer.api.pay(invoice.invoice, None, 100)))
            await until(lambda: len({message.id for _, message in hearing.held}) == 3, "three HTLCs")
            for node in (alice, bob, carol):
                await until(lambda node=node: not any(d.channel.log for d in node.channels.drivers.values()), "a rest")  # type: ignore[misc]
                (folder / node.config.alias).mkdir()
                await node.api.backup_database(str(folder / node.config.alias / DATABASE_NAME))
            for task in paying:
                task.cancel()

    asyncio.run(main())
    return folder


def every(write: Write) -> list[Channel]:
    return [decode(row.snapshot, Channel, table="channel") for row in write.channels()]


def circuit(write: Write, **changes: object) -> None:
    """One of the two open circuits says something else."""
    found = open_circuits(write)[0]
    write.put_value(CIRCUITS, key_of(found.incoming), encode(replace(found, **changes)))


def another_outgoing(write: Write) -> None:
    found = open_circuits(write)[0]
    assert found.outgoing is not None
    circuit(write, outgoing=replace(found.outgoing, id=99))


def another_incoming_amount(write: Write) -> None:
    circuit(write, incoming_msat=1)


def a_failed_circuit(write: Write) -> None:
    circuit(write, state="failed")


def a_circuit_of_no_channel(write: Write) -> None:
    circuit(write, incoming=HtlcKey("gone", 0))


def no_circuit(write: Write) -> None:
    write.delete_value(CIRCUITS, key_of(open_circuits(write)[0].incoming))


def an_unreadable_circuit(write: Write) -> None:
    write.put_value(CIRCUITS, key_of(open_circuits(write)[0].incoming), b"?")


def another_htlc_of_a_payment(write: Write) -> None:
    (row,) = write.payments("pending", limit=1)
    htlc = payment_of(row).htlc
    assert htlc is not None
    write.set_payment(row.payment_hash, "pending", encode(replace(payment_of(row), htlc=replace(htlc, id=99))))


def a_payment_that_has_failed(write: Write) -> None:
    (row,) = write.payments("pending", limit=1)
    write.set_payment(row.payment_hash, "failed", row.value)


def an_unreadable_payment(write: Write) -> None:
    (row,) = write.payments("pending", limit=1)
    write.set_payment(row.payment_hash, "pending", b"?")


def a_forgotten_htlc(write: Write) -> None:
    """The base of one channel lacks an HTLC that both sides have signed."""
    channel = next(each for each in every(write) if htlcs_of(each.base.states))
    states = dict(channel.base.states)
    before = decode_htlcs(states[HTLC])
    states[HTLC] = encode_state(replace(before, htlcs=before.htlcs[1:]))
    save(write, replace(channel, base=replace(channel.base, states=tuple(states.items()))))


def a_larger_htlc(write: Write) -> None:
    channel = next(each for each in every(write) if htlcs_of(each.base.states))
    states = dict(channel.base.states)
    before = decode_htlcs(states[HTLC])
    first = replace(before.htlcs[0], amount_msat=before.htlcs[0].amount_msat + 1_000)
    states[HTLC] = encode_state(replace(before, htlcs=(first, *before.htlcs[1:])))
    save(write, replace(channel, base=replace(channel.base, states=tuple(states.items()))))


FLIGHT_DAMAGE: tuple[tuple[str, Callable[[Write], object], str], ...] = (
    ("bob", another_outgoing, "its outgoing HTLC 99 is not in channel"),
    ("bob", another_outgoing, "that we offer belongs to no payment and no circuit"),
    ("bob", another_incoming_amount, r"its incoming HTLC \d is not in channel"),
    ("bob", a_failed_circuit, "that we offer belongs to a circuit that has failed"),
    ("bob", a_circuit_of_no_channel, "in the channel gone, which is unknown"),
    ("bob", no_circuit, "it is open, and not stored"),
    ("bob", an_unreadable_circuit, "it cannot be read"),
    ("bob", a_forgotten_htlc, r"our commitment \d+ holds the HTLC 0/\d, which the channel does not know"),
    ("bob", a_forgotten_htlc, r"its (in|out)\w+ HTLC \d is not in channel"),
    ("bob", a_larger_htlc, r"the peer's commitment \d+ holds another HTLC 0/0 than the channel"),
    ("alice", another_htlc_of_a_payment, "its HTLC 99 is not in channel"),
    ("alice", a_payment_that_has_failed, "belongs to a payment that has failed"),
    ("alice", an_unreadable_payment, "it cannot be read"),
    ("carol", a_forgotten_htlc, "which the channel does not know"),
)


@pytest.mark.parametrize(
    ("name", "damage", "said"), FLIGHT_DAMAGE, ids=[f"{row[1].__name__}-{n}" for n, row in enumerate(FLIGHT_DAMAGE)]
)
def test_damage_is_found_while_htlcs_are_in_flight(
    tmp_path: Path, in_flight: Path, name: str, damage: Callable[[Write], object], said: str
) -> None:
    (tmp_path / DATABASE_NAME).write_bytes((in_flight / name / DATABASE_NAME).read_bytes())
    store = Store.open(tmp_path, "regtest")
    try:
        assert store.read_sync(check).problems == ()
        store.write_sync(damage)
        problems = store.read_sync(check).problems
    finally:
        store.close_sync()
    assert any(re.search(said, each.what) for each in problems), problems
    assert all(each.where and each.advice for each in problems)


# What a start does


async def damaged(network: Network, node: Node, damage: Callable[[Write], object]) -> None:
    """A node that is stopped, and whose database is then damaged."""
    await network.stop(node)
    store = Store.open(node.config.directory, "regtest")
    try:
        store.write_sync(damage)
    finally:
        store.close_sync()


def test_a_start_says_what_is_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, _, name = await used(network)
            await damaged(network, alice, no_secrets)
            assert "has no secret" not in caplog.text
            alice = await network.node("alice")
            assert f"channel {name}: the peer's revoked commitment" in caplog.text and "has no secret" in caplog.text
            assert not alice.channels.driver_of(name).frozen  # it can still be closed by agreement
            (warning,) = (await alice.api.info()).warnings
            assert re.match(r"the check at the start found 10 problems: `lnp check`", warning)

    asyncio.run(main())


def test_a_channel_that_contradicts_what_was_signed_is_frozen_and_its_close_is_claimed(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, name = await used(network)
            await damaged(network, alice, moved_balances)
            before = (await network.chain.best_block()).height
            alice = await network.node("alice", listen=alice.peers.listening())
            driver = alice.channels.driver_of(name)
            assert "pays from" in driver.frozen and driver.locked
            assert any(f"channel {name[:16]} is frozen" in each for each in (await alice.api.info()).warnings)
            await until(lambda: bob.node_id in alice.channels.links, "the connection")
            with pytest.raises(ChannelFrozen):
                await alice.api.close(name, False, None)
            assert driver.channel.link == "down", "nothing is said of it"
            row = await shown(bob, name)
            assert row is not None and before
            await bob.api.close(name, True, None)
            await network.spent(row.funding)
            await network.mine(1)
            await until(lambda: isinstance(driver.channel.phase, OnChain), "the peer's close")
            assert isinstance(driver.channel.phase, OnChain) and driver.channel.phase.spend == "theirs"

    asyncio.run(main())


def test_a_node_does_not_start_with_a_channel_that_nobody_could_look_after(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, _, name = await used(network)
            await damaged(network, alice, no_index)
            with pytest.raises(
                StoreInconsistent, match=f"{name}: the index of our keys is missing.*lnpd check"
            ):
                await network.node("alice")

    asyncio.run(main())


def test_a_lost_watch_is_set_again_and_sees_what_it_missed(tmp_path: Path) -> None:
    """The peer closes while the node is off."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, name = await used(network)
            row = await shown(alice, name)
            assert row is not None
            await damaged(network, alice, no_watch)
            await bob.api.close(name, True, None)
            await network.spent(row.funding)
            await network.mine(3)
            alice = await network.node("alice")
            assert [each.then for each in alice.checks.problems] == ["mended"]
            driver = alice.channels.driver_of(name)
            await until(lambda: isinstance(driver.channel.phase, OnChain), "the peer's close")

    asyncio.run(main())


def test_what_the_watch_has_missed_is_read_again(tmp_path: Path) -> None:
    """As if a block had been followed by a watch that saw nothing in it."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, name = await used(network)
            row = await shown(alice, name)
            assert row is not None
            await network.stop(alice)
            await bob.api.close(name, True, None)
            await network.spent(row.funding)
            await network.mine(3)
            tip = await network.chain.best_block()
            await damaged(network, alice, lambda write: write.set_chain_cursor(tip.height, tip.hash))
            alice = await network.node("alice")
            (problem,) = alice.checks.problems
            assert "the watch over it has missed that" in problem.what and problem.then == "mended"
            driver = alice.channels.driver_of(name)
            await until(lambda: isinstance(driver.channel.phase, OnChain), "the peer's close")
            await network.mine(1)
            assert (await alice.api.check()).problems == ()

    asyncio.run(main())
