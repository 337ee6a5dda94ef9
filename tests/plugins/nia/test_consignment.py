"""Is a file read to the byte, and is every damaged one refused, or written again as it was?"""

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nia import errors
from nia.consignment import TAIL_BYTES, Terminal, WitnessBundle, parse
from nia.genesis import ChainNet
from nia.history import check
from nia.mpc import commit
from nia.transaction import Tx
from tests.plugins.nia.figures import SECRET, TEN_TRANSFERS
from tests.plugins.nia.story import ENTROPY, FIRST, GENESIS, GOOD, SECOND, TERMINAL, file, with_witness

DATA = GOOD.encode()
HEAD = len(DATA) - TAIL_BYTES


def changed(at: int, byte: int, data: bytes = DATA) -> bytes:
    """The file with another byte there."""
    return data[:at] + bytes([byte]) + data[at + 1 :]


def doubled_terminals() -> bytes:
    """A terminal that stands twice."""
    return msgspec.structs.replace(GOOD, terminals=(TERMINAL, TERMINAL)).encode()


# A file of the first transfer, without terminals, and where its parts stand.
PLAIN = file(FIRST).encode()
GENESIS_AT = 7 + 2 + 2
BUNDLES_AT = GENESIS_AT + len(GENESIS.encode())
WITNESS_AT = BUNDLES_AT + 4
assert isinstance(FIRST.witness, Tx)
OPRET_AT = WITNESS_AT + 1 + len(FIRST.witness.encode() + FIRST.proof.encode())

REFUSED: dict[str, tuple[type[errors.NiaError], Callable[[], bytes]]] = {
    "nothing": (errors.NotATransfer, lambda: b""),
    "another file": (errors.NotATransfer, lambda: b"RGB\0CON" + DATA[7:]),
    "a contract": (errors.NotATransfer, lambda: changed(8, 0)),
    "neither": (errors.UnknownTag, lambda: changed(8, 2)),
    "another version": (errors.UnknownVersion, lambda: changed(7, 1)),
    "a genesis of another version": (errors.UnknownVersion, lambda: changed(GENESIS_AT, 1, PLAIN)),
    "another schema": (errors.ForeignSchema, lambda: changed(GENESIS_AT + 2, 0, PLAIN)),
    "another tail": (errors.ForeignSchema, lambda: changed(len(DATA) - 1, 1)),
    "more behind the tail": (errors.ForeignSchema, lambda: DATA + b"\0"),
    "no tail": (errors.ForeignSchema, lambda: DATA[:-TAIL_BYTES]),
    "cut within the genesis": (errors.Truncated, lambda: PLAIN[: GENESIS_AT + 20]),
    "too long": (errors.Oversized, lambda: DATA + bytes(8_000_000)),
    "terminals twice": (errors.BrokenOrder, doubled_terminals),
    "seals twice": (
        errors.BrokenOrder,
        lambda: msgspec.structs.replace(GOOD, terminals=(Terminal(SECRET, (SECRET, SECRET)),)).encode(),
    ),
    "a terminal of nothing": (
        errors.EmptyCollection,
        lambda: msgspec.structs.replace(GOOD, terminals=(Terminal(SECRET, ()),)).encode(),
    ),
    "four thousand million bundles": (
        errors.Truncated,
        lambda: PLAIN[:BUNDLES_AT] + b"\xff" * 4 + PLAIN[WITNESS_AT:],
    ),
    "a witness of no kind": (errors.UnknownTag, lambda: changed(WITNESS_AT, 2, PLAIN)),
    "tapret": (errors.NotOpret, lambda: changed(OPRET_AT, 1, PLAIN)),
    "no method": (errors.UnknownTag, lambda: changed(OPRET_AT, 3, PLAIN)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_file_of_nia_is_refused_by_name(what: str) -> None:
    kind, make = REFUSED[what]
    with pytest.raises(kind) as caught:
        parse(make())
    assert type(caught.value) is kind and str(caught.value)


def judged(data: bytes) -> None:
    """Refused by a class of ours, or read and written again as it is."""
    try:
        found = parse(data)
        assert found.encode() == data
        check(found, ChainNet.REGTEST)
    except errors.NiaError as refusal:
        assert str(refusal)


def test_every_cut_is_refused() -> None:
    for end in range(HEAD + 1):
        with pytest.raises(errors.NiaError):
            parse(DATA[:end])


def test_a_wrong_bit_is_refused_or_changes_what_only_the_last_transactions_id_says() -> None:
    """Nothing in a file commits to its last transaction, whose id the reader compares, nor to any witness."""
    right = check(GOOD, ChainNet.REGTEST)
    unseen = Counter[str]()
    for at in range(HEAD):
        try:
            said = check(parse(changed(at, DATA[at] ^ 1)), ChainNet.REGTEST)
        except errors.NiaError as refusal:
            assert str(refusal)
            continue
        unseen["witness" if said == right else "last transaction"] += 1
        assert [each.amount for each in said.allocations] == [each.amount for each in right.allocations]
        assert (said.contract_id, said.supply, said.asset) == (right.contract_id, right.supply, right.asset)
        assert said == right or said.last != right.last
    assert unseen == {"witness": 2, "last transaction": 4 + 4 + 8 + 8 + 22 + 4}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, HEAD - 1), st.binary(max_size=40), st.integers(0, 40))
def test_no_damage_escapes(at: int, inserted: bytes, dropped: int) -> None:
    judged(DATA[:at] + inserted + DATA[at + dropped :])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(TEN_TRANSFERS) - TAIL_BYTES - 1), st.binary(min_size=1, max_size=4))
def test_no_damage_to_rgb_libs_own_escapes(at: int, put: bytes) -> None:
    judged(TEN_TRANSFERS[:at] + put + TEN_TRANSFERS[at + len(put) :])


@given(st.binary(max_size=200))
def test_no_bytes_behind_the_magic_escape(data: bytes) -> None:
    judged(DATA[:11] + data)


def test_a_file_is_written_as_it_was_read() -> None:
    for each in (DATA, PLAIN, TEN_TRANSFERS, file(with_witness(FIRST, FIRST.txid())).encode()):
        assert parse(each).encode() == each
    assert parse(DATA) == GOOD


def test_a_file_is_extended() -> None:
    first = file(FIRST)
    assert first.extended([SECOND], [TERMINAL]) == GOOD
    assert GOOD.extended([]).terminals == ()
    tree = commit({SECOND.bundle.transitions[0].contract_id: SECOND.bundle.bundle_id()}, ENTROPY)
    assert isinstance(SECOND.witness, Tx)
    assert WitnessBundle.committed(SECOND.witness, tree, SECOND.bundle) == SECOND
    assert isinstance(FIRST.witness, Tx)
    with pytest.raises(errors.WrongCommitment):
        WitnessBundle.committed(FIRST.witness, tree, SECOND.bundle)
