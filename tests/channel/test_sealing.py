"""Does every mutual close and every second stage carry what its provider seals, the same on both sides, whatever fee is
agreed on and whatever else happens?"""

import pytest
from lnpd_sdk.types import (
    ACCEPTOR,
    OPENER,
    PARTIES,
    ChildTx,
    Folded,
    OutputSpec,
    Party,
    Sealed,
    Transaction,
    Update,
    View,
)
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import actions, events
from lnpd.channel.negotiation import closing_weight
from lnpd.channel.state import Negotiating
from lnpd.providers.types import STATIC_REMOTEKEY, pin, with_extensions
from lnpd.tx.graph import CommitmentSignatures, Graph
from lnpd.tx.seals import check_seals
from lnpd.tx.sweeps import second_stage
from tests.channel.harness import SCRIPTS, Node, Pair, add, opened, preimage
from tests.channel.sealed import NAME, Sealer, carrier, providers, with_sealer
from tests.channel.vault import NAME as VAULT
from tests.channel.vault import GatedVault, Vault, body


def sealed_pair(*seals: Sealed, **changes: int) -> Pair:
    seals = seals or ("close",)
    pair = Pair(*(Node(party, providers=providers(*seals)) for party in PARTIES))
    return opened(with_sealer(*seals), pair, **changes)


def sealer(pair: Pair, party: int) -> Sealer:
    found = pair.nodes[party].providers[NAME]
    assert isinstance(found, Sealer)
    return found


@pytest.mark.parametrize(("ours", "theirs", "fee"), [((100, 3000), (0, 0), 846), ((100, 3000), (2000, 5000), 2000)])
def test_both_sides_close_with_the_carrier_first(ours: tuple[int, int], theirs: tuple[int, int], fee: int) -> None:
    pair = sealed_pair()
    if theirs != (0, 0):
        pair.command(1, events.Close(SCRIPTS[1], *theirs))
    pair.command(0, events.Close(SCRIPTS[0], *ours))
    pair.settle()
    tx = pair.nodes[0].broadcast[-1]
    assert tx == pair.nodes[1].broadcast[-1]
    assert [o.value_sat for o in tx.outputs] == [0, 300_000, 700_000 - fee]
    for party in (0, 1):
        shown = next(each for each in sealer(pair, party).shown if carrier(each) == tx.outputs[0].script_pubkey)
        assert shown.purpose == "close"
        assert [o.value_sat for o in shown.outputs] == [o.value_sat for o in tx.outputs]
        assert shown.outputs[0].script_pubkey == b"\x6a\x20" + bytes(32), "it is shown what is reserved"
        assert [o.party for o in shown.outputs] == [None, ACCEPTOR, OPENER]
    phase = pair.nodes[0].channel.phase
    assert isinstance(phase, Negotiating) and tx.weight <= closing_weight(pair.nodes[0].channel) == 846


def test_a_side_without_balance_leaves_its_output_out_and_the_carrier_stays() -> None:
    pair = sealed_pair(push_msat=0)
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    tx = pair.nodes[1].broadcast[-1]
    assert [o.script_pubkey for o in tx.outputs[1:]] == [SCRIPTS[0]] and tx.outputs[0].value_sat == 0


@pytest.mark.parametrize(("push_msat", "parties"), [(300_000_000, [1, 0]), (700_000_000, [0, 1]), (0, [0])])
def test_whose_an_output_is_follows_from_no_script(push_msat: int, parties: list[Party]) -> None:
    """Two sides may name one script, out of malice too: each is shown with what is its own all the same."""
    pair = sealed_pair(push_msat=push_msat)
    for party in PARTIES:
        pair.command(party, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    tx = pair.nodes[1].broadcast[-1]
    assert {o.script_pubkey for o in tx.outputs[1:]} == {SCRIPTS[0]} and tx == pair.nodes[0].broadcast[-1]
    shown = next(each for each in sealer(pair, 1).shown if carrier(each) == tx.outputs[0].script_pubkey)
    assert [o.party for o in shown.outputs] == [None, *parties]


@pytest.mark.parametrize(("sealed", "fee"), [(True, 100_000 - 354), (False, 100_000 - 300)])
def test_no_fee_takes_the_output_of_a_sealed_close_from_who_pays_it(sealed: bool, fee: int) -> None:
    """Its user asks for more than that; where nobody seals, the output is dust and falls away."""
    pair = sealed_pair(push_msat=900_000_000) if sealed else opened(push_msat=900_000_000)
    pair.command(1, events.Close(SCRIPTS[1], 100, 200_000))
    pair.command(0, events.Close(SCRIPTS[0], 99_700, 99_700))
    pair.settle()
    tx = pair.nodes[0].broadcast[-1]
    assert tx == pair.nodes[1].broadcast[-1]
    phase = pair.nodes[0].channel.phase
    assert isinstance(phase, Negotiating) and phase.agreed_fee_sat == fee
    assert (SCRIPTS[0] in [o.script_pubkey for o in tx.outputs]) == sealed


def test_a_negotiation_that_a_lost_connection_cut_ends_the_same() -> None:
    pair = sealed_pair()
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    for _ in range(3):
        pair.deliver(0), pair.deliver(1)
    pair.cut()
    pair.reconnect()
    pair.settle()
    assert pair.nodes[0].broadcast[-1] == pair.nodes[1].broadcast[-1]
    assert len(pair.nodes[0].broadcast[-1].outputs) == 3


def test_a_peer_whose_provider_seals_something_else_does_not_get_our_signature() -> None:
    pair = sealed_pair()
    sealer(pair, 1).seal = lambda *_: bytes(32)  # type: ignore[method-assign]
    pair.command(0, events.Close(SCRIPTS[0], 100, 3000))
    pair.settle()
    assert [type(each) for each in pair.nodes[1].errors] == [errors.ClosingSignatureWrong]
    assert not any(node.broadcast for node in pair.nodes if node.us == 1)


def test_one_provider_of_a_type_seals_a_place() -> None:
    kind = with_sealer("close")
    check_seals(kind)
    with pytest.raises(errors.SealSlotTaken, match="sealer and sealer both seal every close"):
        check_seals(type(kind)(kind.features, kind.commitment_weight, 0, (*kind.providers, kind.providers[-1])))


# Second stages


def with_htlcs() -> Pair:
    """Two HTLCs each way, one of them too small for its second stage."""
    pair = sealed_pair("second_stage")
    for party in PARTIES:
        for amount_msat in (5_000_000, 1_150_000):
            pair.command(party, add(len(pair.nodes[party].did), amount_msat))
    pair.settle()
    return pair


def test_both_sides_sign_the_carriers_of_every_second_stage_and_again_after_a_break() -> None:
    pair = with_htlcs()
    pair.check()
    pair.command(0, add(70, 7_000_000))
    pair.command(0, events.Commit())
    pair.restart(1)
    pair.reconnect()
    pair.settle()
    pair.check()
    for node in pair.nodes:
        graph = node.latest().graph
        assert len(graph.children) == 3 and [name for _, name in graph.trimmed] == ["0/1", "1/1"]
        shown = {carrier(each): each for each in sealer(pair, node.us).shown}
        for child in graph.children:
            asked = shown[child.tx.outputs[0].script_pubkey]
            assert asked.purpose == "second_stage" and asked.vout == child.vout and len(child.tx.outputs) == 2
        assert not node.errors


def test_a_peer_that_signs_a_second_stage_without_its_carrier_is_refused_by_name() -> None:
    pair = sealed_pair("second_stage")
    signer = pair.nodes[0].signer
    sign = signer.sign

    def without(graph: Graph) -> CommitmentSignatures:
        plain = [replace(each, tx=replace(each.tx, outputs=each.tx.outputs[1:])) for each in graph.children]
        return sign(replace(graph, children=tuple(plain)))

    signer.sign = without  # type: ignore[method-assign]
    pair.command(0, add(1))
    pair.settle()
    (error,) = pair.nodes[1].errors
    assert isinstance(error, errors.WrongSignature) and "htlc_success, htlc 0/0" in str(error)
    assert pair.nodes[1].channel.numbers[1] == 0, "it holds the last good commitment"


def test_a_peer_whose_second_stages_are_sealed_otherwise_is_told_by_whom() -> None:
    pair = sealed_pair("second_stage")
    sealer(pair, 1).seal = lambda *_: bytes(32)  # type: ignore[method-assign]
    pair.command(0, add(1))
    pair.settle()
    assert [type(each) for each in pair.nodes[1].errors] == [errors.ExtensionDisagrees]
    assert str(pair.nodes[1].errors[0]) == "sealer: its outputs in commitment 1 differ."


@pytest.mark.parametrize("offerer", PARTIES)
def test_an_htlc_goes_to_the_chain_with_its_carrier(offerer: Party) -> None:
    """The opener closes by force; what it claims by a second stage has the carrier that was sealed with the commitment,
    though no provider is there any more."""
    pair = sealed_pair("second_stage")
    pair.command(offerer, add(1, 40_000_000))
    pair.settle()
    node = pair.nodes[0]
    kept = node.latest()
    node.providers = {}
    pair.command(0, events.ForceClose("a test"))
    commitment = node.broadcast[-1]
    node.run(events.OutputSpent(commitment.inputs[0].txid, commitment.inputs[0].vout, commitment, 500_100))
    if offerer == 1:
        node.run(events.Fulfill(0, preimage(1)))
    node.run(events.Block(600_000))
    claims = [each for action in node.did if isinstance(action, actions.Claim) for each in action.claims]
    (staged,) = [each for each in claims if each.stage >= 0]
    (child,) = kept.graph.children
    assert second_stage(kept.graph, [staged]) == child.tx and len(child.tx.outputs) == 2


PUT = events.Propose(VAULT, body("put", 20_000))


class WhileHtlcs(GatedVault):
    """Its boxes are locked, to children whose signatures cover no carrier, once an HTLC is offered."""

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        if update.provider == VAULT:
            return super().fold(view, state, update)
        return Folded(state + b"!" * (update.kind == "add"))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        boxes = state.removesuffix(b"!")
        return super().contribute(view, boxes) if boxes != state else Vault.contribute(self, view, state)

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        return super().descend(view, state, transaction) if state.endswith(b"!") else ()


@pytest.mark.parametrize(
    ("vault", "before", "refused", "after"),
    [
        (GatedVault, (), PUT, add(1)),
        (WhileHtlcs, (PUT,), add(1), events.Propose(VAULT, body("give", 7_000))),
    ],
)
@pytest.mark.parametrize("proposer", PARTIES)
def test_what_would_make_a_second_stage_without_a_covered_carrier_is_refused_and_the_channel_goes_on(
    proposer: Party,
    vault: type[GatedVault],
    before: tuple[events.Event, ...],
    refused: events.Event,
    after: events.Event,
) -> None:
    kind = with_extensions(STATIC_REMOTEKEY, (pin(Sealer("second_stage").spec, 1), pin(vault.spec, 1)))
    nodes = (Node(party, providers={**providers("second_stage"), VAULT: vault()}) for party in PARTIES)
    pair = opened(kind, Pair(*nodes))
    for event in before:
        pair.command(proposer, event)
    pair.settle()
    with pytest.raises(errors.CommandRefused, match=r"vault .* \(exit\): sealer seals it"):
        pair.command(proposer, refused)
    pair.command(proposer, after)
    pair.settle()
    pair.check()
    assert not any(node.errors or node.channel.log for node in pair.nodes)
