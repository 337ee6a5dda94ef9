"""Does the check find each kind of damage that is seeded into a store, and nothing in a healthy one?"""

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lnpd.channel.actions import WatchOutput
from lnpd.channel.queries import commitment_key
from lnpd.channel.state import Channel
from lnpd.services.chain.rows import read_row
from lnpd.services.chain.watch import NAMESPACE as WATCHES
from lnpd.services.channels.batch import INDEX, kept_of
from lnpd.services.node.node import Node
from lnpd.services.payments.ledger import HtlcKey, payment_of
from lnpd.store.codec import decode, encode
from lnpd.store.write import Write
from lnpd.testing import Network, until
from tests.services.backup.damage import assert_found


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
    assert_found(tmp_path, healthy, damage, said)
