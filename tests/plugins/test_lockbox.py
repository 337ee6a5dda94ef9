"""Is a lockbox in both commitments as agreed, and can exactly its owner have it, whatever happens?"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.types import Blocked, Closable, Folded, Party, PerParty, Reject, Update, View, other

from lnpd import errors
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.services.plugins.host import PluginHost
from lnpd.tx.claims import claimable
from lnpd.tx.graph import Graph
from lnpd.tx.pipeline import build, view_of
from lnpd.tx.rules import check_paths
from lnpd.tx.sweeps import make_claim
from lnpd.wire.catalogue import BOLT
from tests.plugins.two_parties import (
    DELAYS,
    PLUGINS,
    TYPES,
    built,
    commitment,
    complete,
    driven,
    keys_of,
    load,
    pinned,
    secrets_of,
)
from tests.tx.judge import judged

LOCKBOX = PLUGINS / "lockbox.py"
lockbox: Any = load(LOCKBOX)
PROVIDER = lockbox.Lockbox()
DESTINATION = b"\0\x14" + bytes(20)
VIEW = view_of(commitment(pinned(PROVIDER), b""))
# A box of each party, the acceptor's released.
STATE = msgspec.msgpack.encode(
    lockbox.State((lockbox.Box(0, 0, 25_000), lockbox.Box(1, 3, 40_000, True)), above=(1, 4))
)
BOTH: Any = pytest.mark.parametrize("holder", [0, 1])
KINDS: Any = pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)


def boxes(graph: Graph) -> dict[str, Any]:
    return {each.id: each for each in graph.outputs if each.provider == "lockbox"}


@KINDS
@BOTH
def test_both_boxes_are_outputs_and_obey_rule_3(channel_type: Any, holder: Party) -> None:
    graph = built(commitment(pinned(PROVIDER, channel_type), STATE, holder), PROVIDER)
    found = boxes(graph)
    assert {name: each.value_sat for name, each in found.items()} == {"0/0": 25_000, "1/3": 40_000}
    assert sum(o.value_sat for o in graph.tx.outputs) + graph.fee_sat == 10_000_000
    for each in found.values():
        check_paths(each.paths, graph.keys, DELAYS[holder], name=each.id, kind=each.kind, value_sat=each.value_sat)
    own, kept = found[f"{holder}/{(0, 3)[holder]}"], found[f"{other(holder)}/{(0, 3)[other(holder)]}"]
    assert {(p.name, p.older) for p in own.paths} == {
        ("revocation", 0),
        (f"delayed+older({DELAYS[holder]})", DELAYS[holder]),
    }
    assert [(p.keys, p.older) for p in kept.paths] == [(("counterparty_payment",), 1)]


@KINDS
def test_computed_here_and_in_another_process_it_is_the_same(tmp_path: Path, channel_type: Any) -> None:
    async def main() -> None:
        hosts = [PluginHost(tmp_path / name, Registry(BOLT), Answers(), Hooks(), {}) for name in ("here", "there")]
        await hosts[0].add_in_process(load(LOCKBOX).plugin)
        await hosts[1].start((LOCKBOX,))
        assert hosts[1].plugins[0].status == "ready", hosts[1].plugins[0].why
        for holder in (0, 1):
            spec = commitment(pinned(PROVIDER, channel_type), STATE, holder)
            graphs = [built(spec, PROVIDER)]
            for host in hosts:
                for provider in CORE_PROVIDERS.values():
                    host.answers.add_core(provider)
                graphs.append(await driven(build(spec), host.answers.answer))
                assert host.answers.round_trips == holder + 1
            assert graphs[0] == graphs[1] == graphs[2]
            assert len({graph.tx.serialise() for graph in graphs}) == 1
        for host in hosts:
            await host.stop()

    asyncio.run(main())


@KINDS
@BOTH
def test_everyone_takes_their_own_of_the_latest(channel_type: Any, holder: Party) -> None:
    graph = built(commitment(pinned(PROVIDER, channel_type), STATE, holder), PROVIDER)
    for party in (0, 1):
        plan = claimable(graph, party, "latest")
        mine = [each for each in plan.claims if each.output.provider == "lockbox"]
        assert [each.output.id for each in mine] == ["0/0" if party == 0 else "1/3"]
        assert mine[0].path.older == (DELAYS[holder] if party == holder else 1)
        assert not [each for each in plan.unclaimed if each.provider == "lockbox" and each.id == mine[0].output.id]
        tx = complete(make_claim(graph, mine, DESTINATION, 1000), secrets_of(party, holder))
        assert tx.inputs[0].sequence == mine[0].path.older


@KINDS
@BOTH
def test_a_revoked_box_is_the_other_sides_at_once(channel_type: Any, holder: Party) -> None:
    graph = built(commitment(pinned(PROVIDER, channel_type), STATE, holder), PROVIDER)
    graph = msgspec.msgpack.decode(msgspec.msgpack.encode(graph), type=Graph)  # from the store: the plugin may be dead
    party = other(holder)
    plan = claimable(graph, party, "revoked")
    mine = {each.output.id: each for each in plan.claims if each.output.provider == "lockbox"}
    assert mine.keys() == {"0/0", "1/3"}
    cheats = mine["0/0" if holder == 0 else "1/3"]
    assert (cheats.path.name, cheats.path.older) == ("revocation", 0)
    assert graph.keys == keys_of(holder)
    complete(make_claim(graph, [cheats], DESTINATION, 1000), secrets_of(party, holder, revoked=True))
    complete(make_claim(graph, plan.claims, DESTINATION, 1000), secrets_of(party, holder, revoked=True))


def test_an_open_box_blocks_a_mutual_close() -> None:
    assert PROVIDER.close(VIEW, STATE) == Blocked("2 open, with 65000 sat in them")
    assert PROVIDER.close(VIEW, b"") == Closable()


# What may be done, and by whom.


def put(proposer: Party, identity: int, amount_sat: int = 25_000) -> Update:
    return Update(proposer, "lockbox", "ext", identity, msgspec.msgpack.encode(lockbox.Put(amount_sat)))


def move(proposer: Party, identity: int, how: str, box: int) -> Update:
    return Update(proposer, "lockbox", "ext", identity, msgspec.msgpack.encode(lockbox.Move(how, box)))


FULL = msgspec.msgpack.encode(lockbox.State(tuple(lockbox.Box(0, n, 1000) for n in range(8)), above=(8, 0)))
REFUSED: dict[str, tuple[bytes, Update, str]] = {
    "dust for the opener": (b"", put(1, 0, 545), "dust limits"),
    "negative": (b"", put(0, 0, -1), "dust limits"),
    "too much": (b"", put(0, 0, 10_000_001), "10000000 sat"),
    "a ninth": (FULL, put(0, 9), "at most 8"),
    "nothing to take": (b"", move(0, 1, "take", 0), "no box 0 to take"),
    "not released": (STATE, move(0, 1, "take", 0), "not released"),
    "the other's": (STATE, move(0, 4, "take", 3), "no box 3 to take"),
    "giving the other's": (STATE, move(0, 4, "give", 3), "no box 3 to give"),
    "releasing what never was": (STATE, move(0, 4, "release", 4), "never was a box 4"),
    "releasing its own": (STATE, move(1, 4, "release", 3), "never was a box 3"),
    "releasing a negative": (STATE, move(1, 4, "release", -1), "never was a box -1"),
    "nonsense": (STATE, Update(0, "lockbox", "ext", 0, b"\xc1"), "cannot be read"),
    "nothing": (STATE, Update(0, "lockbox", "ext", 0, b""), "cannot be read"),
    "a field too many": (STATE, Update(0, "lockbox", "ext", 0, b"\x81\xa4verb\xa3put\x01\x01"), "cannot be read"),
    "deep nesting": (
        STATE,
        Update(0, "lockbox", "ext", 0, b"\x82\xa4verb\xa3put\xa1x" + b"\x91" * 60_000 + b"\x01"),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_may_not_be_done(what: str) -> None:
    state, update, words = REFUSED[what]
    rejected = PROVIDER.validate(VIEW, state, update)
    assert isinstance(rejected, Reject)
    assert words in rejected.reason
    if "read" in words:  # whoever folds it all the same changes nothing
        assert PROVIDER.fold(VIEW, state, update) == Folded(state)


def test_a_box_in_its_life() -> None:
    state = b""
    for update, money in (
        (put(0, 0), (0, 0)),
        (put(1, 0, 7_000), (0, 0)),
        (move(0, 1, "release", 0), (0, 0)),
        (move(1, 1, "take", 0), (0, 0)),
        (move(0, 2, "give", 0), (-25_000_000, 25_000_000)),
    ):
        assert PROVIDER.validate(VIEW, state, update) is None
        folded = PROVIDER.fold(VIEW, state, update)
        assert folded.moves_msat == money
        state = folded.state
    assert lockbox.read(state) == lockbox.State((), above=(1, 1))
    assert PROVIDER.close(VIEW, state) == Closable()


def test_only_the_other_sides_box_is_released() -> None:
    state = msgspec.msgpack.encode(lockbox.State((lockbox.Box(0, 0, 1000), lockbox.Box(1, 0, 2000)), above=(1, 1)))
    after = lockbox.read(PROVIDER.fold(VIEW, state, move(0, 1, "release", 0)).state)
    assert [(b.owner, b.released) for b in after.boxes] == [(0, False), (1, True)]


# Random updates of both sides, through the rules of money.

MOVES = st.tuples(st.integers(0, 1), st.sampled_from(["release", "take", "give"]), st.integers(0, 3))
PUTS = st.tuples(st.integers(0, 1), st.just("put"), st.sampled_from([545, 546, 25_000, 60_000, 250_000]))
ACTS = st.one_of(MOVES, MOVES, PUTS)
# Boxes 0 to 2 of each side, some of them open and some of those released.
BASES = st.lists(st.sampled_from(["none", "open", "released"]), min_size=6, max_size=6).map(
    lambda kinds: msgspec.msgpack.encode(
        lockbox.State(
            tuple(lockbox.Box(n // 3, n % 3, 10_000 + n, k == "released") for n, k in enumerate(kinds) if k != "none"),
            above=(3, 3),
        )
    )
)


class Books:
    """A channel's state and balances, and the next id of each side."""

    def __init__(self) -> None:
        self.state, self.balances_msat, self.ids = b"", (600_000_000, 400_000_000), [0, 0]
        self.open: dict[tuple[Party, int], int] = {}

    def update(self, proposer: Party, verb: str, value: int) -> Update:
        identity = self.ids[proposer]
        return put(proposer, identity, value) if verb == "put" else move(proposer, identity, verb, value)

    def spec(self, state: bytes, balances_msat: PerParty) -> Any:
        rest = 10_000_000_000 - sum(balances_msat)  # this much has the acceptor beside
        balances = (balances_msat[0], balances_msat[1] + rest)
        return commitment(pinned(PROVIDER), state, balances_msat=balances)

    def apply(self, update: Update) -> bool:
        """Does what a node does with a proposal; False if it is refused."""
        view = view_of(self.spec(self.state, self.balances_msat))
        if PROVIDER.validate(view, self.state, update) is not None:
            return False
        folded = PROVIDER.fold(view, self.state, update)
        moved = (self.balances_msat[0] + folded.moves_msat[0], self.balances_msat[1] + folded.moves_msat[1])
        before, after = self.spec(self.state, self.balances_msat), self.spec(folded.state, moved)
        try:
            asyncio.run(driven(judged(before, after, update, (10_000, 10_000)), answered))
        except errors.ProposalRefused:
            return False
        self.state, self.balances_msat = folded.state, moved
        self.ids[update.proposer] += 1
        return True


async def answered(call: Any) -> object:
    return getattr((CORE_PROVIDERS | {"lockbox": PROVIDER})[call.provider], call.method)(*call.arguments)


@given(st.lists(ACTS, max_size=25))
def test_no_satoshi_is_made_or_lost(acts: list[tuple[Party, str, int]]) -> None:
    books = Books()
    for act in acts:
        held = {(b.owner, b.box): b.amount_sat for b in lockbox.read(books.state).boxes}
        before = books.balances_msat
        if not books.apply(books.update(*act)):
            continue
        proposer, verb, value = act
        assert sum(books.balances_msat) == 1_000_000_000
        paid = 1000 * held[proposer, value] if verb == "give" else 0
        assert before[proposer] - books.balances_msat[proposer] == paid
        graphs = [
            built(
                msgspec.structs.replace(books.spec(books.state, books.balances_msat), holder=h, keys=keys_of(h)),
                PROVIDER,
            )
            for h in (0, 1)
        ]
        locked = sum(b.amount_sat for b in lockbox.read(books.state).boxes)
        for graph in graphs:
            assert sum(each.value_sat for each in boxes(graph).values()) == locked
            assert sum(o.value_sat for o in graph.tx.outputs) + graph.fee_sat == 10_000_000
            assert min(o.value_sat for o in graph.tx.outputs) > 0


def folded(state: bytes, updates: list[Update]) -> tuple[bytes, PerParty] | None:
    """State and moves after these updates; None if one of them is refused."""
    moved = (0, 0)
    for update in updates:
        if PROVIDER.validate(VIEW, state, update) is not None:
            return None
        after = PROVIDER.fold(VIEW, state, update)
        state, moved = after.state, (moved[0] + after.moves_msat[0], moved[1] + after.moves_msat[1])
    return state, moved


@given(BASES, st.lists(ACTS, min_size=2, max_size=10), st.data())
def test_what_both_sides_have_pending_commutes(
    base: bytes, crossing: list[tuple[Party, str, int]], data: st.DataObject
) -> None:
    """Each side proposes knowing only the base and its own; then any interleaving gives the same."""
    ids, pending = [3, 3], list[list[Update]]([[], []])
    for proposer, verb, value in crossing:
        identity = ids[proposer]
        update = put(proposer, identity, value) if verb == "put" else move(proposer, identity, verb, value)
        if folded(base, [*pending[proposer], update]) is not None:
            pending[proposer].append(update)
            ids[proposer] += 1
    check_orders(base, pending, lambda turns: data.draw(st.sampled_from(turns)))


CROSSING: dict[str, tuple[list[Update], list[Update]]] = {
    "given and opened anew while it is released": ([move(0, 3, "give", 0), put(0, 4)], [move(1, 3, "release", 0)]),
    "released by both, the same number": ([move(0, 3, "release", 0)], [move(1, 3, "release", 0)]),
    "opened by both": ([put(0, 3), put(0, 4)], [put(1, 3), put(1, 4)]),
    "opened and given, beside a release": ([put(0, 3), move(0, 4, "give", 3)], [move(1, 3, "release", 0), put(1, 4)]),
}


@pytest.mark.parametrize("what", CROSSING)
def test_what_crosses_on_the_wire(what: str) -> None:
    base = msgspec.msgpack.encode(lockbox.State((lockbox.Box(0, 0, 10_000), lockbox.Box(1, 0, 20_000)), above=(3, 3)))
    check_orders(base, list(CROSSING[what]), lambda turns: turns[-1])


def check_orders(base: bytes, pending: list[list[Update]], choose: Callable[[list[int]], int]) -> None:
    queues, mixed = ([*pending[0]], [*pending[1]]), []
    while queues[0] or queues[1]:
        turn = choose([p for p in (0, 1) if queues[p]])
        mixed.append(queues[turn].pop(0))
    orders = [[*pending[0], *pending[1]], [*pending[1], *pending[0]], mixed]
    results = [folded(base, order) for order in orders]
    assert results[0] is not None, "what each side validated by itself is valid after the other's too"
    assert results[0] == results[1] == results[2]


@given(st.binary(max_size=80), st.integers(0, 1), st.integers(0, 2**63))
def test_arbitrary_bytes_are_refused_and_harmless(body: bytes, proposer: Party, identity: int) -> None:
    update = Update(proposer, "lockbox", "ext", identity, body)
    for state in (b"", STATE):
        refused = PROVIDER.validate(VIEW, state, update)
        after = PROVIDER.fold(VIEW, state, update)
        assert isinstance(after, Folded)
        assert sum(after.moves_msat) == 0
        assert PROVIDER.contribute(VIEW, after.state) is not None
        if refused is not None:
            assert refused.reason


@given(
    st.sampled_from(["put", "move", "x"]),
    st.dictionaries(
        st.sampled_from(["amount_sat", "how", "box", "more"]),
        st.one_of(st.integers(-(2**63), 2**64 - 1), st.text(max_size=5), st.none(), st.binary(max_size=5)),
    ),
)
def test_almost_right_updates_never_raise(verb: str, fields: dict[str, Any]) -> None:
    update = Update(0, "lockbox", "ext", 0, msgspec.msgpack.encode({"verb": verb, **fields}))
    assert isinstance(PROVIDER.fold(VIEW, STATE, update), Folded)
    verdict = PROVIDER.validate(VIEW, STATE, update)
    assert verdict is None or verdict.reason


def test_the_view_holds_nothing_of_whose_node_it_is() -> None:
    """The identical question on both nodes: no field of a view names us."""
    assert not [name for name in View.__struct_fields__ if name == "us" or "local" in name or "remote" in name]
