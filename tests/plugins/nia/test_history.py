"""Is a right history told, and each kind of wrong one refused by name?"""

from collections.abc import Callable

import msgspec
import pytest

from nia import errors
from nia.bundle import Bundle
from nia.consignment import Consignment, Terminal, parse
from nia.genesis import AssetSpec, ChainNet
from nia.history import check
from nia.mpc import opret_script
from nia.seals import Assignment, Seal
from nia.transaction import Tx, TxOut
from nia.transition import Opout, Transition
from tests.plugins.nia.figures import SECRET, TEN_TRANSFERS
from tests.plugins.nia.story import (
    CONTRACT,
    FIRST,
    FIRST_OP,
    GENESIS,
    GOOD,
    ISSUED_ON,
    SECOND,
    SECOND_OP,
    TERMINAL,
    file,
    transfer,
    with_witness,
    witness,
    witnessed,
)

TAPROOT = b"\x51\x20" + bytes(32)
assert isinstance(FIRST.witness, Tx) and isinstance(SECOND.witness, Tx)
FIRST_TX, SECOND_TX = FIRST.witness, SECOND.witness
OPRET = SECOND_TX.outputs[0]
TOO_MUCH = (Assignment(2**64 - 1, Seal(1, 1)), Assignment(401, Seal(2, 1)))  # 400 more, in 64 bits
ON_FIRST, ON_SECOND = (FIRST.txid(), 1), (FIRST.txid(), 2)


def spending(inputs: list[Opout], amount: int, *spent: tuple[bytes, int]) -> Consignment:
    """A third transfer after the two right ones."""
    return file(FIRST, SECOND, witnessed(transfer(inputs, Assignment(amount, Seal(1, 1))), *spent))


def second_with(*outputs: TxOut) -> Consignment:
    """The right file, where the second transaction has other outputs."""
    return file(FIRST, with_witness(SECOND, msgspec.structs.replace(SECOND_TX, outputs=outputs)))


def two_contracts_in_one() -> Consignment:
    """A bundle that has a transition of another contract as well."""
    other = Transition.spending(SECRET, [Opout(SECRET, 0)], [Assignment(5, Seal(1, 1))])
    return file(FIRST, witnessed(Bundle((*SECOND.bundle.transitions, other)), ON_FIRST))


FORGED: dict[str, tuple[type[errors.NiaError], Callable[[], Consignment]]] = {
    "more than it spends": (errors.WrongSum, lambda: spending([Opout(FIRST_OP, 1)], 401, ON_SECOND)),
    "less than it spends": (errors.WrongSum, lambda: spending([Opout(FIRST_OP, 1)], 399, ON_SECOND)),
    "more than a u64 in all": (
        errors.WrongSum,
        lambda: file(FIRST, witnessed(transfer([Opout(FIRST_OP, 1)], *TOO_MUCH), ON_SECOND)),
    ),
    "spent twice": (errors.SpentTwice, lambda: spending([Opout(FIRST_OP, 0)], 600, ON_FIRST)),
    "replayed": (errors.SpentTwice, lambda: file(FIRST, SECOND, SECOND)),
    "spent before it is made": (errors.UnknownInput, lambda: file(SECOND, FIRST)),
    "an index that is not there": (errors.UnknownInput, lambda: spending([Opout(FIRST_OP, 2)], 400, ON_SECOND)),
    "an operation of nobody's": (errors.UnknownInput, lambda: spending([Opout(SECRET, 0)], 400, ON_SECOND)),
    "a concealed input": (errors.ConcealedInput, lambda: spending([Opout(SECOND_OP, 1)], 350, (SECOND.txid(), 2))),
    "another output spent": (errors.SealNotClosed, lambda: spending([Opout(FIRST_OP, 1)], 400, ON_FIRST)),
    "another transaction's output spent": (
        errors.SealNotClosed,
        lambda: spending([Opout(FIRST_OP, 1)], 400, (ISSUED_ON, 2)),
    ),
    "no inputs": (errors.SealNotClosed, lambda: spending([Opout(FIRST_OP, 1)], 400)),
    "commitment to something else": (errors.WrongCommitment, lambda: second_with(TxOut(0, opret_script(SECRET)))),
    "commitment of the transaction before": (
        errors.WrongCommitment,
        lambda: file(FIRST, with_witness(SECOND, witness(FIRST_TX.outputs[0].script, ON_FIRST))),
    ),
    "another OP_RETURN before it": (errors.WrongCommitment, lambda: second_with(TxOut(0, b"\x6a"), OPRET)),
    "more data behind it": (errors.WrongCommitment, lambda: second_with(TxOut(0, OPRET.script + b"\0"))),
    "taproot before it": (errors.NotOpret, lambda: second_with(TxOut(9, TAPROOT), OPRET)),
    "no OP_RETURN": (errors.NoCommitment, lambda: second_with(TxOut(9, b"\x51"))),
    "no outputs": (errors.NoCommitment, lambda: second_with()),
    "the proof of another place": (
        errors.WrongPosition,
        lambda: file(
            FIRST,
            msgspec.structs.replace(
                SECOND, proof=msgspec.structs.replace(SECOND.proof, position=SECOND.proof.position ^ 1)
            ),
        ),
    ),
    "the proof of another bundle": (
        errors.WrongCommitment,
        lambda: file(
            FIRST, msgspec.structs.replace(SECOND, proof=msgspec.structs.replace(SECOND.proof, path=(SECRET,) * 3))
        ),
    ),
    "a transaction by its id": (errors.WitnessMissing, lambda: file(FIRST, with_witness(SECOND, SECOND.txid()))),
    "another contract's transfer": (
        errors.WrongContract,
        lambda: file(witnessed(transfer([Opout(CONTRACT, 0)], Assignment(1_000, Seal(1, 1)), contract_id=SECRET))),
    ),
    "another contract in the bundle": (errors.WrongContract, two_contracts_in_one),
    "another genesis": (
        errors.WrongContract,
        lambda: file(FIRST, genesis=msgspec.structs.replace(GENESIS, timestamp_seconds=1)),
    ),
    "a genesis that assigns more": (
        errors.WrongSupply,
        lambda: file(genesis=msgspec.structs.replace(GENESIS, supply=999)),
    ),
    "a terminal without a bundle": (errors.WrongTerminal, lambda: file(FIRST, terminals=(TERMINAL,))),
    "a terminal without a seal": (
        errors.WrongTerminal,
        lambda: file(FIRST, SECOND, terminals=(Terminal(TERMINAL.bundle_id, (bytes(32),)),)),
    ),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_history_is_refused_by_name(what: str) -> None:
    kind, forge = FORGED[what]
    data = forge().encode()  # it arrives as bytes
    with pytest.raises(kind) as caught:
        check(parse(data), ChainNet.REGTEST)
    assert type(caught.value) is kind and str(caught.value)


def test_every_forgery_has_a_case() -> None:
    kinds = {kind for kind, _ in FORGED.values()}
    at_reading = {errors.WrongOperation, errors.UnmappedInput}  # test_bundle.py
    assert kinds | at_reading >= set(errors.Forged.__subclasses__())


def test_another_chain_is_refused() -> None:
    for chain in set(ChainNet) - {ChainNet.REGTEST}:
        with pytest.raises(errors.ForeignChain):
            check(GOOD, chain)


def test_a_right_history() -> None:
    said = check(parse(GOOD.encode()), ChainNet.REGTEST)
    assert (said.contract_id, said.supply, said.last) == (CONTRACT, 1_000, SECOND.txid())
    standing = [(str(each.opout), each.amount, each.txid) for each in said.allocations]
    assert standing == [
        (f"{FIRST_OP.hex()}/4000/1", 400, FIRST.txid()),
        (f"{SECOND_OP.hex()}/4000/0", 250, SECOND.txid()),
        (f"{SECOND_OP.hex()}/4000/1", 350, None),
    ]
    assert [each.amount for each in said.upon(SECOND.txid(), 1)] == [250]
    assert said.upon(SECOND.txid(), 0) == () == said.upon(FIRST.txid(), 1)


def test_what_an_operation_that_is_not_shown_spends_stands_nowhere() -> None:
    unseen = Transition.spending(CONTRACT, [Opout(FIRST_OP, 1)], [Assignment(400, SECRET)])
    partly = witnessed(Bundle(SECOND.bundle.transitions, ((unseen.inputs[0], unseen.op_id()),)), ON_FIRST)
    said = check(parse(file(FIRST, partly).encode()), ChainNet.REGTEST)
    assert sorted(each.amount for each in said.allocations) == [250, 350]
    again = witnessed(transfer([Opout(FIRST_OP, 1)], Assignment(400, Seal(1, 1))), ON_SECOND)
    with pytest.raises(errors.SpentTwice):
        check(file(FIRST, partly, again), ChainNet.REGTEST)


def test_one_transition_spends_what_two_transactions_made() -> None:
    both = spending([Opout(FIRST_OP, 1), Opout(SECOND_OP, 0)], 650, ON_SECOND, (SECOND.txid(), 1))
    said = check(both, ChainNet.REGTEST)
    assert sorted(each.amount for each in said.allocations) == [350, 650]


def test_two_allocations_upon_one_output_are_both_told() -> None:
    bundle = transfer([Opout(CONTRACT, 0)], Assignment(600, Seal(1, 1)), Assignment(400, Seal(1, 2)))
    said = check(file(each := witnessed(bundle, (ISSUED_ON, 3))), ChainNet.REGTEST)
    assert [one.amount for one in said.upon(each.txid(), 1)] == [600, 400]


def test_ten_transfers_of_rgb_lib() -> None:
    consignment = parse(TEN_TRANSFERS)
    said = check(consignment, ChainNet.REGTEST)
    assert consignment.encode() == TEN_TRANSFERS
    assert (len(consignment.bundles), len(said.allocations)) == (10, 56)
    assert said.asset == AssetSpec("USDX", "The asset USDX", 2)
    assert sum(each.amount for each in said.allocations) == said.supply == 60_000
