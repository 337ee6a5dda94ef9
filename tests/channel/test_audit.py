"""Does a provider take no more in a commitment than its updates were admitted for, whenever and however it tries?"""

from random import Random
from typing import Any

import pytest
from lnpd_sdk.types import PARTIES, Folded, OutputSpec, Party, Provider, ProviderSpec, Update, View
from msgspec.structs import replace

from lnpd.channel import actions, audit, events, normal
from lnpd.channel.queries import Folds, commitment_key
from lnpd.channel.state import Channel, Normal
from lnpd.errors import CommandRefused
from lnpd.providers.types import CORE_PROVIDERS, pin, with_extensions
from lnpd.tx.fees import HTLC_OUTPUT_WEIGHT, fee_sat
from lnpd.tx.states import CORE
from tests.channel.harness import (
    PLAIN,
    POLICY,
    WITH_VAULT,
    Pair,
    add,
    confirm,
    opened,
    opening,
    preimage,
    with_second_funding,
)
from tests.channel.hostile import Corrupt, FoldingAnew, Freezing, Observing, Splitting, Taking, box
from tests.channel.vault import NAME, Vault, body

GRANTED_SAT = 40_000
SPEC = ProviderSpec(NAME, (1,), Vault.spec.phases, observes=("htlc", "base"))


def pair(provider: Any, corrupt: bool = False, granted_sat: int = 0) -> Pair:
    policy = replace(POLICY, grants=((NAME, granted_sat),))
    providers: dict[str, Provider] = {**CORE_PROVIDERS, NAME: provider}
    peer = Corrupt if corrupt else Freezing
    return Pair(Freezing(0, policy, providers), peer(1, policy, providers))


def type_of(provider: Any) -> Any:
    return with_extensions(PLAIN, (pin(provider.spec, 1),))


def pay(two: Pair, number: int, fulfil: bool = True) -> None:
    """An HTLC of party 0's, which party 1 takes; nothing any more once a side is frozen."""
    if not found(two):
        two.command(0, add(number))
        two.settle()
    if fulfil and not found(two):
        two.command(1, events.Fulfill(number - 1, preimage(number)))
        two.settle()


def frozen(two: Pair, party: Party) -> str:
    node = two.nodes[party]
    assert isinstance(node, Freezing)
    return node.frozen


def found(two: Pair) -> str:
    """Why a side is frozen: ours, or else the peer's, which may find out first."""
    return frozen(two, 0) or frozen(two, 1)


def taken_sat(two: Pair, party: Party) -> int:
    """What the provider's outputs hold in the last commitments that this side signed or holds, at most."""
    node, channel = two.nodes[party], two.nodes[party].channel
    held = []
    for holder in PARTIES:
        kept = node.kept(commitment_key(channel.fundings[0].txid, holder, channel.numbers[holder]))
        assert kept is not None
        held.append(sum(each.value_sat for each in kept.graph.outputs if each.provider == NAME))
    return max(held)


TAKERS: dict[str, tuple[Any, str]] = {
    "by the number of a commitment": (Taking(lambda view: view.number >= 2), "commitment 2"),
    "in one side's commitments": (Taking(lambda view: view.number >= 2 and view.holder == 1), "commitment 2"),
    "in the other's": (Taking(lambda view: view.number >= 2 and view.holder == 0), "commitment 2"),
    "while an HTLC is there": (Taking(lambda view: bool(view.htlcs)), "by htlc add"),
    "by an HTLC's addition": (Observing("add"), "by htlc add"),
    "by an HTLC's removal": (Observing("fulfill"), "by htlc fulfill"),
    "by the balances": (Taking(lambda view: view.balances_msat[1] > 300_000_000), "by htlc fulfill"),
}


@pytest.mark.parametrize("corrupt", [False, True], ids=["honest peer", "corrupt peer"])
@pytest.mark.parametrize(("provider", "words"), TAKERS.values(), ids=TAKERS)
def test_who_helps_itself_freezes_the_channel_and_has_nothing(provider: Any, words: str, corrupt: bool) -> None:
    two = opened(type_of(provider), pair(provider, corrupt))
    for number in range(1, 4):
        pay(two, number)
    assert found(two).startswith((f"{NAME} takes 600000000 msat of party 0 in ", f"{NAME} would not take the same"))
    assert words in found(two)
    assert not corrupt or frozen(two, 0)
    assert taken_sat(two, 0) == 0
    assert isinstance(two.nodes[0].channel.phase, Normal)


def test_a_raised_feerate_is_no_reason_either() -> None:
    provider = Taking(lambda view: view.feerate_per_kw > 1000)
    two = opened(type_of(provider), pair(provider, True))
    two.command(0, events.SetFeerate(2000))
    assert (
        frozen(two, 0) == f"{NAME} takes 600000000 msat of party 0 in party 1's commitment by base fee, "
        "and no update of that party's allows it."
    )
    assert not two.nodes[0].channel.log


@pytest.mark.parametrize("corrupt", [False, True], ids=["honest peer", "corrupt peer"])
def test_nothing_is_taken_in_the_first_commitment(corrupt: bool) -> None:
    provider = Taking(lambda view: True)
    two = opening(type_of(provider), pair(provider, corrupt))
    assert "in party 1's commitment 0, and no update" in frozen(two, 0)
    assert not [row for row in two.nodes[0].rows if row[0] == "commitment"]


def test_an_update_takes_the_same_in_both_commitments() -> None:
    class Uneven(Vault):
        def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
            return super().contribute(view, state) if view.holder == 0 else ()

    two = opened(WITH_VAULT, pair(Uneven()))
    with pytest.raises(CommandRefused, match=r"not the same in both commitments: \(0, 0\) and \(-20000000, 0\) msat"):
        two.command(0, events.Propose(NAME, body("put", 20_000)))


def test_a_box_that_grows_of_itself_is_found_beside_what_was_put_in() -> None:
    class Growing(Vault):
        def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
            more = 1 if view.number >= 4 else 0
            return tuple(
                replace(each, value_sat=each.value_sat + more, debits_msat=(each.debits_msat[0] + 1000 * more, 0))
                for each in super().contribute(view, state)
            )

    two = opened(WITH_VAULT, pair(Growing()))
    two.command(0, events.Propose(NAME, body("put", 20_000)))
    two.settle()
    assert taken_sat(two, 0) == 20_000
    for number in range(1, 4):
        pay(two, number, fulfil=False)
    assert "takes 1000 msat of party 0" in found(two)
    assert taken_sat(two, 0) == 20_000


def test_the_opener_pays_for_no_weight_that_no_update_added() -> None:
    two = opened(WITH_VAULT, pair(Splitting()))
    two.command(0, events.Propose(NAME, body("put", 24_000)))
    two.settle()
    for number in range(1, 4):
        pay(two, number, fulfil=False)
    assert f"{NAME} adds {7 * HTLC_OUTPUT_WEIGHT} weight units to party" in found(two)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_updates_that_move_another_amount_when_they_are_folded_again(number: int) -> None:
    two = opened(WITH_VAULT, pair(FoldingAnew(number), True))
    for _ in range(8):
        try:
            two.command(1, events.Propose(NAME, body("put", 20_000)))
        except CommandRefused:
            break
        two.settle()
    channel = two.nodes[0].channel
    assert frozen(two, 0) or two.nodes[0].errors
    for holder in PARTIES:
        kept = two.nodes[0].kept(commitment_key(channel.fundings[0].txid, holder, channel.numbers[holder]))
        assert kept is not None
        assert kept.graph.balances_msat == (700_000_000, 300_000_000)


def test_nothing_is_paid_out_that_only_the_base_has() -> None:
    """What became irrevocable is folded once more, and a close asks for that and not for a commitment."""
    two = opened(WITH_VAULT, pair(Vault()))
    two.command(1, events.Propose(NAME, body("put", 0)))
    two.settle()
    channel = two.nodes[0].channel
    assert [name for name, _ in channel.accounts] == [NAME]
    moved = ((NAME, (-1_000_000, 1_000_000)),)
    base = replace(channel.base, balances_msat=(699_000_000, 301_000_000), moved_msat=moved)
    two.nodes[0].store(replace(channel, base=base))
    two.command(0, events.Close(b"\x00\x14" + bytes(20), 100, 3000))
    for _ in range(3):
        two.deliver(0)
        two.deliver(1)
    assert "takes 1000000 msat of party 0 in what is irrevocable" in frozen(two, 0)


def test_every_funding_is_held_to_it() -> None:
    provider = Taking(lambda view: view.number >= 2 and view.funding_txid == b"\x33" * 32)
    two = with_second_funding(opened(type_of(provider), pair(provider, True)))
    pay(two, 1)
    assert "takes 600000000 msat of party 0" in frozen(two, 0)


# Random schedules with a provider that helps itself at random moments


class Moody(Vault):
    """Honest, save for the moments that a seed chooses: by the commitment, its holder, the feerate, the HTLCs."""

    spec = SPEC

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rarity = (8, 15, 30, 60)[seed // 4 % 4]
        self.misdeeds = 0

    def mood(self, *of: object) -> Random | None:
        drawn = Random(repr((self.seed, of)))
        if drawn.randrange(self.rarity):
            return None
        self.misdeeds += 1
        return drawn

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        if update.provider in CORE:
            return Folded(state)
        folded = super().fold(view, state, update)
        if (drawn := self.mood("fold", view.number, view.holder, view.balances_msat, update.id)) is None:
            return folded
        amount = 1000 * drawn.choice((1, 50_000, 300_000))
        moves = (-amount, amount) if drawn.randrange(2) else (amount, -amount)
        return replace(folded, moves_msat=moves)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        honest = super().contribute(view, state)
        seen = self.seed % 4
        of = (
            view.number if seen != 1 else view.number // 3,
            view.holder if seen != 2 else 0,
            view.feerate_per_kw if seen != 3 else 0,
            tuple((h.offerer, h.id) for h in view.htlcs),
            state,
        )
        if (drawn := self.mood("contribute", of)) is None:
            return honest
        party: Party = 0 if drawn.randrange(4) else 1
        amount = drawn.choice((2_000, 50_000, 200_000))
        more = replace(box(view, party, amount), trim=drawn.choice(("refuse", "dust")))
        more = replace(more, second_stage_weight=10_000_000 * drawn.randrange(2) * (more.trim == "dust"))
        return drawn.choice(((more,), (*honest, more), honest[:1], ()))


class Scene:
    """Two nodes, what they do at random, and what that can have cost each of them lawfully."""

    def __init__(self, seed: int, two: Pair, provider: Moody) -> None:
        self.random, self.two, self.provider = Random(seed), two, provider
        self.paid_sat = [0, 0]
        self.count = self.froze = 0
        for party in PARTIES:
            confirm(two, party)

    def command(self, party: Party, event: events.Event) -> bool:
        try:
            self.two.command(party, event)
        except CommandRefused:
            return False
        return not frozen(self.two, party)

    def once(self) -> None:
        drawn, party = self.random, self.random.choice(PARTIES)
        match drawn.randrange(9):
            case 0:
                self.count += 1
                self.command(party, add(self.count, 1000 * drawn.choice((5_000, 9_000))))
            case 1:
                for told in self.two.nodes[party].told(actions.HtlcReceived):
                    number = int.from_bytes(told.onion[:2], "big")
                    if drawn.randrange(3) and self.command(party, events.Fulfill(told.id, preimage(number))):
                        self.paid_sat[1 - party] += told.amount_msat // 1000
            case 2 | 3:
                verb = drawn.choice(("put", "give", "take"))
                amount = drawn.choice((2_000, 10_000, 30_000))
                self.command(party, events.Propose(NAME, body(verb, amount), 1000 * GRANTED_SAT))
            case 4:
                self.command(0, events.SetFeerate(drawn.choice((500, 1000, 1500))))
            case 5:
                self.two.restart(party)
            case _:
                for _ in range(drawn.randrange(6)):
                    self.command(drawn.choice(PARTIES), events.Commit())
                    self.two.deliver(drawn.choice(PARTIES))
        if not self.two.connected and not drawn.randrange(2):
            for node in self.two.nodes:
                node.frozen = ""  # type: ignore[attr-defined]
            self.two.reconnect()

    def check(self, party: Party, start_sat: int) -> None:
        """What it has, paid and may yet pay is what it began with, less the grant at most."""
        node, channel = self.two.nodes[party], self.two.nodes[party].channel
        for holder in PARTIES:
            kept = node.kept(commitment_key(channel.fundings[0].txid, holder, channel.numbers[holder]))
            assert kept is not None
            outputs = kept.graph.outputs
            main = "to_local" if holder == party else "to_remote"
            has_sat = sum(each.value_sat for each in outputs if each.kind == main)
            has_sat += sum(e.value_sat for e in outputs if e.provider == "htlc" and e.id.startswith(f"{party}/"))
            if party == 0:
                htlcs = sum(each.provider == "htlc" for each in outputs)
                weight = channel.channel_type.commitment_weight + (htlcs + 2) * HTLC_OUTPUT_WEIGHT
                has_sat += fee_sat(weight, kept.graph.feerate_per_kw) + 660
            assert has_sat + self.paid_sat[party] + GRANTED_SAT + 1 >= start_sat, (
                f"party {party} lost more than {GRANTED_SAT} sat in party {holder}'s commitment"
            )


SHARDS, SEEDS, EVENTS = 10, 40, 120


def told(seed: int) -> Scene | None:
    """One schedule, checked after each of its events; None if the channel froze before it was open."""
    two = pair(provider := Moody(seed), corrupt=bool(seed % 2), granted_sat=GRANTED_SAT)
    opening(type_of(provider), two)
    if found(two) or not two.nodes[0].channel.fundings:
        return None
    scene = Scene(seed, two, provider)
    for _ in range(EVENTS):
        scene.once()
        scene.froze += bool(found(two))
        scene.check(0, 700_000)
        if not seed % 2:
            scene.check(1, 300_000)
    return scene


@pytest.mark.parametrize("shard", range(SHARDS))
def test_at_random_moments_our_loss_is_never_more_than_the_grant(shard: int) -> None:
    scenes = [scene for n in range(SEEDS) if (scene := told(SEEDS * shard + n))]
    misdeeds, froze = sum(s.provider.misdeeds for s in scenes), sum(s.froze > 0 for s in scenes)
    commitments = sum(sum(s.two.nodes[0].channel.numbers) for s in scenes)
    print(f"{len(scenes)} schedules, {froze} froze; {misdeeds} misdeeds, {commitments} commitments")
    assert len(scenes) >= SEEDS // 2
    assert froze >= SEEDS // 5
    assert misdeeds >= 3 * SEEDS
    assert commitments >= 5 * SEEDS


# Would a defect be found?


def unaudited(channel: Channel, holder: Party, folds: Folds) -> Any:
    yield from ()
    return channel


DEFECTS: dict[str, tuple[Any, str, Any]] = {
    "commitments are not judged": (normal, "audited", unaudited),
    "an account may fall": (audit, "check_account", lambda *_: None),
}


@pytest.mark.parametrize(("where", "name", "instead"), DEFECTS.values(), ids=DEFECTS)
def test_a_defect_is_found(where: Any, name: str, instead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, name, instead)
    with pytest.raises(AssertionError, match="lost more than"):
        for seed in range(400):
            told(seed)
