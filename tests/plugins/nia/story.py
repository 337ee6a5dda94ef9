"""Which transfers can a test make without a chain, right ones and forged ones?

An issuer has 1,000 on an output and sends 600 and 400; whoever has the 600 sends 250, and 350 to a concealed seal.
Each step can be forged: it is made anew from its parts, so that everything else about it stays right.
"""

from collections.abc import Sequence

import msgspec

from nia.bundle import Bundle
from nia.consignment import Consignment, Terminal, WitnessBundle, parse
from nia.genesis import ChainNet, Genesis
from nia.mpc import commit
from nia.seals import Assignment, GenesisSeal, Seal
from nia.transaction import Tx, TxIn, TxOut
from nia.transition import Opout, Transition
from tests.plugins.nia.figures import SECRET, TEN_TRANSFERS

ISSUED_ON = bytes(range(32))
ENTROPY = 6

_TEN = parse(TEN_TRANSFERS)
GENESIS = Genesis(
    ChainNet.REGTEST,
    (Assignment(1_000, GenesisSeal(3, 9, ISSUED_ON)),),
    1_000,
    _TEN.genesis.spec,
    _TEN.genesis.terms,
    1_700_000_000,
)
CONTRACT = GENESIS.contract_id()


def witness(script: bytes, *spent: tuple[bytes, int]) -> Tx:
    """A transaction that spends these outputs, and whose first output has this script."""
    inputs = tuple(TxIn(txid, vout, 0xFFFFFFFF, witness=(b"\x51",)) for txid, vout in spent)
    return Tx(2, inputs, (TxOut(0, script), TxOut(500, b"\0\x14" + bytes(20))), 0)


def witnessed(bundle: Bundle, *spent: tuple[bytes, int], contract_id: bytes = CONTRACT) -> WitnessBundle:
    """A bundle with a transaction that commits to it."""
    tree = commit({contract_id: bundle.bundle_id()}, ENTROPY)
    return WitnessBundle(witness(tree.script(), *spent), tree.proof(contract_id), bundle)


def transfer(inputs: Sequence[Opout], *assignments: Assignment, contract_id: bytes = CONTRACT) -> Bundle:
    """A bundle of one transition."""
    return Bundle((Transition.spending(contract_id, inputs, assignments),))


FIRST = witnessed(
    transfer([Opout(CONTRACT, 0)], Assignment(600, Seal(1, 1)), Assignment(400, Seal(2, 2))), (ISSUED_ON, 3)
)
FIRST_OP = FIRST.bundle.transitions[0].op_id()
SECOND = witnessed(
    transfer([Opout(FIRST_OP, 0)], Assignment(250, Seal(1, 3)), Assignment(350, SECRET)), (FIRST.txid(), 1)
)
SECOND_OP = SECOND.bundle.transitions[0].op_id()
TERMINAL = Terminal(SECOND.bundle.bundle_id(), (SECRET,))


def file(*bundles: WitnessBundle, genesis: Genesis = GENESIS, terminals: tuple[Terminal, ...] = ()) -> Consignment:
    """A file of these."""
    return Consignment(genesis, bundles, _TEN.tail, terminals)


GOOD = file(FIRST, SECOND, terminals=(TERMINAL,))


def with_witness(each: WitnessBundle, tx: Tx | bytes) -> WitnessBundle:
    """The same with another transaction."""
    return msgspec.structs.replace(each, witness=tx)
