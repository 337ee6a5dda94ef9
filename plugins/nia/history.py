"""Is every step in a consignment right, and which amount stands on which output after the last?

Everything that a file can prove by itself. What it cannot: that its transactions are on the chain, that nobody spent
an output without the asset, and that no later transfer exists. Those are questions to a chain and to RGB's validator.
"""

from collections.abc import Iterable

import msgspec

from nia.consignment import Consignment, WitnessBundle
from nia.errors import (
    ConcealedInput,
    ForeignChain,
    SealNotClosed,
    SpentTwice,
    UnknownInput,
    WitnessMissing,
    WrongContract,
    WrongSum,
    WrongSupply,
    WrongTerminal,
)
from nia.genesis import AssetSpec, ChainNet
from nia.seals import Assignment, Seal
from nia.transaction import Tx
from nia.transition import Opout, Transition


class Allocation(msgspec.Struct, frozen=True):
    """An amount that nothing in the file spends, shown or not.

    `txid` is that of the output, None where the seal is concealed.
    """

    opout: Opout
    assignment: Assignment
    txid: bytes | None

    @property
    def amount(self) -> int:
        """In the asset's smallest unit."""
        return self.assignment.amount

    def stands_on(self, txid: bytes, vout: int) -> bool:
        """Is it upon this output?"""
        seal = self.assignment.seal
        return isinstance(seal, Seal) and (self.txid, seal.vout) == (txid, vout)


class History(msgspec.Struct, frozen=True):
    """What a checked consignment says. `last` is the id of the last transaction, None if there is the genesis only."""

    contract_id: bytes
    asset: AssetSpec
    supply: int
    allocations: tuple[Allocation, ...]
    last: bytes | None

    def upon(self, txid: bytes, vout: int) -> tuple[Allocation, ...]:
        """The allocations upon one output."""
        return tuple(each for each in self.allocations if each.stands_on(txid, vout))


def check(consignment: Consignment, chain: ChainNet) -> History:
    """What a file says, once every part of it agrees with every other. Raises classes of Forged, and ForeignChain."""
    genesis = consignment.genesis
    if genesis.chain != chain:
        raise ForeignChain(f"the contract is of {genesis.chain.name}, and not of {chain.name}")
    if (assigned := _sum(genesis.assignments)) != genesis.supply:
        raise WrongSupply(f"genesis assigns {assigned} and says to issue {genesis.supply}")
    asset, contract_id = genesis.asset(), genesis.contract_id()
    ledger = _Ledger(contract_id, genesis.assignments)
    for each in consignment.bundles:
        ledger.enter(each)
    _check_terminals(consignment)
    last = consignment.bundles[-1].txid() if consignment.bundles else None
    return History(contract_id, asset, genesis.supply, tuple(ledger.allocations.values()), last)


class _Ledger:
    """What stands where, while the bundles are gone through."""

    def __init__(self, contract_id: bytes, issued: tuple[Assignment, ...]) -> None:
        self.contract_id = contract_id
        self.allocations: dict[Opout, Allocation] = {}
        self.spent: set[Opout] = set()
        self.assign(contract_id, issued, None)

    def enter(self, witnessed: WitnessBundle) -> None:
        """One more bundle."""
        if not isinstance(witnessed.witness, Tx):
            raise WitnessMissing(f"transaction {witnessed.witness[::-1].hex()} is not in the file")
        proof, bundle = witnessed.proof, witnessed.bundle
        for each in bundle.transitions:
            if each.contract_id != self.contract_id:
                raise WrongContract(f"{each.op_id().hex()} is of contract {each.contract_id.hex()}")
        witnessed.witness.check_commitment(proof.commitment(self.contract_id, bundle.bundle_id()))
        txid = witnessed.txid()
        for each in bundle.transitions:
            self.move(each, witnessed.witness)
            self.assign(each.op_id(), each.assignments, txid)
        for opout, _ in bundle.others:
            self.allocations.pop(opout, None)
            self.spent.add(opout)

    def move(self, transition: Transition, witness: Tx) -> None:
        """Takes a transition's inputs away."""
        taken = [self.take(opout, witness) for opout in transition.inputs]
        if (spent := _sum(taken)) != (assigned := _sum(transition.assignments)):
            raise WrongSum(f"{transition.op_id().hex()} spends {spent} and assigns {assigned}")

    def take(self, opout: Opout, witness: Tx) -> Assignment:
        """One input, whose seal the transaction closes."""
        if opout in self.spent:
            raise SpentTwice(f"{opout} is spent a second time")
        if (found := self.allocations.pop(opout, None)) is None:
            raise UnknownInput(f"{opout} is spent, and nothing before made it")
        self.spent.add(opout)
        seal = found.assignment.seal
        if not isinstance(seal, Seal) or found.txid is None:
            raise ConcealedInput(f"{opout} is spent, and its seal is concealed")
        if not witness.spends(found.txid, seal.vout):
            raise SealNotClosed(f"{opout} is spent by a transaction that does not spend its output {seal.vout}")
        return found.assignment

    def assign(self, op_id: bytes, assignments: tuple[Assignment, ...], witness_txid: bytes | None) -> None:
        """Puts an operation's assignments where they belong."""
        for index, each in enumerate(assignments):
            txid = (each.seal.txid or witness_txid) if isinstance(each.seal, Seal) else None
            opout = Opout(op_id, index)
            self.allocations[opout] = Allocation(opout, each, txid)


def _sum(assignments: Iterable[Assignment]) -> int:
    return sum(each.amount for each in assignments)


def _check_terminals(consignment: Consignment) -> None:
    made = {each.bundle.bundle_id(): each.bundle for each in consignment.bundles}
    for terminal in consignment.terminals:
        if (bundle := made.get(terminal.bundle_id)) is None:
            raise WrongTerminal(f"a terminal names bundle {terminal.bundle_id.hex()}, which is not in the file")
        secrets = {one.secret() for each in bundle.transitions for one in each.assignments}
        if missing := set(terminal.secrets) - secrets:
            raise WrongTerminal(f"a terminal names seal {min(missing).hex()}, which its bundle does not assign to")
