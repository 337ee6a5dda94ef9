"""Does a circuit move as it may and no other way, and is each end ordered once?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd.channel.events import Fail, Fulfill
from lnpd.errors import CircuitTaken
from lnpd.services.chain.rows import read_fact
from lnpd.services.payments import circuits
from lnpd.services.payments.circuits import Circuit
from lnpd.services.payments.ledger import HtlcKey
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write

IN, OUT, OTHER = HtlcKey("x", 7), HtlcKey("y", 3), HtlcKey("y", 4)
HMAC, REPLAYED, PREIMAGE = b"\x09" * 32, b"replayed", b"\x05" * 32


def circuit(incoming: HtlcKey = IN, opened: float = 100.0) -> Circuit:
    return Circuit(
        incoming=incoming,
        incoming_msat=1_010,
        incoming_expiry=600,
        payment_hash=b"\x01" * 32,
        shared_secret=b"\x02" * 32,
        short_channel_id=b"\x03" * 8,
        channel="y",
        outgoing_msat=1_000,
        outgoing_expiry=520,
        onion=b"onion",
        opened_unix_seconds=opened,
    )


def opened(write: Write) -> Circuit | None:
    return circuits.opened(write, circuit(), HMAC, REPLAYED)


def offered(write: Write) -> Circuit | None:
    return circuits.offered(write, IN, OUT)


def forgotten(write: Write) -> Circuit | None:
    return circuits.forgotten(write, OUT)


def fulfilled(write: Write) -> Circuit | None:
    return circuits.fulfilled(write, OUT, PREIMAGE, 200.0)


def not_offered(write: Write) -> Circuit | None:
    return circuits.failed(write, IN, None, b"reply", "why", 200.0)


def failed(write: Write) -> Circuit | None:
    return circuits.failed(write, IN, OUT, b"reply", "why", 200.0)


Change = Callable[[Write], Circuit | None]
CHANGES: dict[str, Change] = {f.__name__: f for f in (opened, offered, forgotten, fulfilled, not_offered, failed)}
# What each change makes of each state; what is not listed changes nothing.
MOVES = {
    ("", "opened"): "waiting",
    ("waiting", "offered"): "offered",
    ("waiting", "not_offered"): "failed",
    ("offered", "forgotten"): "waiting",
    ("offered", "fulfilled"): "fulfilled",
    ("offered", "failed"): "failed",
}


def changed(store: Store, change: Change) -> Circuit | None:
    try:
        return store.write_sync(change)
    except CircuitTaken:
        return None


def state(store: Store) -> str:
    found = store.read_sync(lambda read: circuits.circuit_of(read, IN))
    return found.state if found else ""


def orders(read: Read) -> list[Any]:  # events
    return [read_fact(row.value) for row in read.inbox(b"x")]


def test_an_abandoned_one_is_still_claimed_with_a_late_preimage(tmp_path: Path) -> None:
    """The order for it stands beside the first one: whichever of them the channel can still carry out, it does."""
    store = Store.open(tmp_path, "regtest")
    try:
        for change in (opened, offered):
            changed(store, change)
        ended = store.write_sync(lambda w: circuits.failed(w, IN, OUT, b"reply", "stuck", 200.0, abandoned=True))
        assert ended is not None and (ended.state, ended.abandoned) == ("failed", True)
        assert changed(store, failed) is None
        late = changed(store, fulfilled)
        assert late is not None and (late.state, late.preimage, late.why) == ("failed", PREIMAGE, "stuck")
        assert changed(store, fulfilled) is None
        assert store.read_sync(orders) == [Fail(7, b"reply"), Fulfill(7, PREIMAGE)]
        assert store.read_sync(circuits.open_circuits) == ()
    finally:
        store.close_sync()


@settings(max_examples=60, deadline=None)
@given(names=st.lists(st.sampled_from(sorted(CHANGES)), max_size=14))
def test_any_order_of_changes(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    store = Store.open(tmp_path_factory.mktemp("s"), "regtest")
    try:
        now = ""
        for name in names:
            changed(store, CHANGES[name])
            now = MOVES.get((now, name), now)
            assert state(store) == now
            found = store.read_sync(orders)
            assert found == (
                [Fulfill(7, PREIMAGE)] if now == "fulfilled" else [Fail(7, b"reply")] if now == "failed" else []
            )
            still_open = store.read_sync(circuits.open_circuits)
            assert [c.state for c in still_open] == ([now] if now in ("waiting", "offered") else [])
            led = store.read_sync(lambda read: circuits.circuit_to(read, OUT))
            assert (led is not None) == (now in ("offered", "fulfilled") or (now == "failed" and led is not None))
    finally:
        store.close_sync()


@pytest.mark.parametrize("wrong", [("offered",), ("opened", "offered", "offered")])
def test_an_htlc_that_no_circuit_waits_for_is_not_stored(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    store = Store.open(tmp_path, "regtest")
    for name in wrong[:-1]:
        store.write_sync(CHANGES[name])
    with pytest.raises(CircuitTaken):
        store.write_sync(CHANGES[wrong[-1]])
    store.close_sync()


def test_an_onion_passes_once_until_it_could_not_pass_any_more(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "regtest")
    store.write_sync(opened)
    again = circuit(HtlcKey("x", 8))
    replay = store.write_sync(lambda w: circuits.opened(w, again, HMAC, REPLAYED))
    assert (replay.state, replay.onion) == ("failed", b"")
    assert store.read_sync(orders) == [Fail(8, REPLAYED)]
    store.write_sync(lambda w: circuits.forget_onions(w, 600))
    third = circuit(HtlcKey("x", 9))
    assert store.write_sync(lambda w: circuits.opened(w, third, HMAC, REPLAYED)).state == "failed"
    store.write_sync(lambda w: circuits.forget_onions(w, 601))
    assert store.read_sync(lambda r: r.values(circuits.ONIONS)) == []
    store.close_sync()


def test_an_id_that_comes_round_again_leads_to_its_new_circuit_only(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "regtest")
    store.write_sync(opened)
    store.write_sync(offered)
    store.write_sync(forgotten)
    other = circuit(HtlcKey("x", 8))
    store.write_sync(lambda w: circuits.opened(w, other, bytes(32), REPLAYED))
    store.write_sync(lambda w: circuits.offered(w, other.incoming, OUT))
    store.write_sync(lambda w: circuits.offered(w, IN, OTHER))
    ended = store.write_sync(fulfilled)
    assert ended is not None and ended.incoming == other.incoming
    assert state(store) == "offered"
    assert store.write_sync(failed) is None, "it hangs on another HTLC now"
    store.close_sync()


def test_the_newest_come_first_and_what_ended_keeps_no_onion(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "regtest")
    for number in (2, 0, 1):
        made = circuit(HtlcKey("x", number), 100.0 + number)
        store.write_sync(lambda w, made=made: circuits.opened(w, made, bytes([made.incoming.id]) * 32, b""))  # type: ignore[misc]
    found = store.read_sync(lambda read: circuits.newest_circuits(read, 2))
    assert [c.incoming.id for c in found] == [2, 1]
    assert all(c.onion for c in found) and found[0].fee_msat == 10
    ended = store.write_sync(lambda w: circuits.failed(w, HtlcKey("x", 2), None, b"", "why", 1.0))
    assert ended is not None and ended.onion == b"" and "secret" not in repr(ended)
    store.close_sync()
