"""Is an HTLC found that belongs to nobody, a circuit or payment without one, and nothing in what is healthy?"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lnpd.channel.state import Channel
from lnpd.services.payments.circuits import CIRCUITS, key_of, open_circuits
from lnpd.services.payments.ledger import HtlcKey, payment_of
from lnpd.store.codec import decode, encode
from lnpd.store.database import DATABASE_NAME
from lnpd.store.write import Write
from lnpd.testing import Network, until
from lnpd.tx.states import HTLC, decode_htlcs, encode_state, htlcs_of
from tests.e2e.line import Hearing, in_a_row
from tests.services.backup.damage import assert_found
from tests.services.backup.test_check import save

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
    assert_found(tmp_path, in_flight / name / DATABASE_NAME, damage, said)
