"""Does each rule of form, lock and coin refuse the transaction that breaks it, by its name?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from lnpd.chain.interface import Outpoint, Output
from lnpd.chain.kernel import ANYONE_SCRIPT, KernelChain
from lnpd.chain.policy import CONSENSUS_RULES, STANDARD_RULES, Policy, dust_limit_sat
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.chain.purse import COIN_SAT, KEY, P2WPKH, coin, opened, p2wsh, pay, reason, spend_script, with_script_sig

TRUE = b"\x51"
NOP_COINS = {
    "true": TRUE,
    "100 drops": b"\x75" * 101 + TRUE,
    "long": b"\x61" * 3601 + TRUE,  # over 201 opcodes: nobody can spend it, yet form is judged first
    "drop": b"\x75" + TRUE,
}


@dataclass
class World:
    """A chain with one coin of each kind. Nothing in this file is accepted, so that all tests share it."""

    chain: KernelChain
    coin: Output
    other: Output
    young: Output
    scripts: dict[str, Output]
    bare: dict[str, Output]


BARE = {
    "nonstandard": b"\x61\x51",
    "future": b"\x52\x02\x01\x01",
    "anchor": b"\x51\x02\x4e\x73",
    "taproot": b"\x51\x20" + KEY[1:],
    "p2sh": b"\xa9\x14" + bytes.fromhex("da1745e9b549bd0bfa1a569971c77eba30cd5a4b") + b"\x87",  # of OP_TRUE
}


def mined(chain: KernelChain, script: bytes) -> Output:
    """A coin that no mempool would make: its transaction goes straight into a block."""
    fat = coin(chain, p2wsh(TRUE), COIN_SAT + 5_000)
    made = Tx((TxIn(fat.outpoint.txid, fat.outpoint.index, witness=(TRUE,)),), (TxOut(COIN_SAT, script),))
    chain.mine(txs=[made.serialise()])
    found = chain.read.output(Outpoint(made.txid, 0))
    assert found
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("chain")) as chain:
        scripts = {name: coin(chain, p2wsh(script)) for name, script in NOP_COINS.items()}
        bare = {name: mined(chain, script) for name, script in BARE.items()}
        ours, other = coin(chain), coin(chain)
        (chain.mine(1, P2WPKH))
        young = next(o for o in chain.read.unspent(P2WPKH) if o.is_coinbase)
        yield World(chain, ours, other, young, scripts, bare)
        assert not chain.mempool.entries


Broken = Callable[[World], Tx | bytes]


def outputs(*pairs: tuple[int, bytes]) -> tuple[TxOut, ...]:
    return tuple(TxOut(value, script) for value, script in pairs)


def anyhow(world: World, name: str, *witness: bytes) -> Tx:
    """A spend of the coin with a script of NOP_COINS."""
    return spend_script(world.scripts[name], lambda _: (*witness, NOP_COINS[name]))


def of_bare(world: World, name: str, *witness: bytes, script_sig: bytes = b"") -> Tx | bytes:
    tx = spend_script(world.bare[name], lambda _: witness)
    return with_script_sig(tx, script_sig) if script_sig else tx


def relative(world: World, sequence: int) -> Tx:
    return pay(world.coin, sequence=sequence)


FORM: list[tuple[str, Broken]] = [
    ("TX decode failed", lambda w: b"\x02\0\0\0"),
    ("bad-txns-vout-empty", lambda w: with_script_sig(Tx((TxIn(bytes(32), 0),), ()), b"")),
    ("bad-txns-vout-negative", lambda w: pay(w.coin, outputs=outputs((-1, P2WPKH)))),
    ("bad-txns-vout-toolarge", lambda w: pay(w.coin, outputs=outputs((21_000_000 * 10**8 + 1, P2WPKH)))),
    ("bad-txns-txouttotal-toolarge", lambda w: pay(w.coin, outputs=outputs(*[(11_000_000 * 10**8, P2WPKH)] * 2))),
    ("bad-txns-inputs-duplicate", lambda w: pay(w.coin, w.coin)),
    ("coinbase", lambda w: with_script_sig(Tx((TxIn(bytes(32), 0xFFFFFFFF),), outputs((5, P2WPKH))), b"\x51\x51")),
    (
        "bad-txns-prevout-null",
        lambda w: Tx((TxIn(bytes(32), 0xFFFFFFFF), TxIn(b"\1" * 32, 0)), outputs((5, P2WPKH))).with_witness(0, (b"",)),
    ),
    ("version", lambda w: pay(w.coin, version=4)),
    ("version", lambda w: pay(w.coin, version=0)),
    ("tx-size", lambda w: pay(w.coin, outputs=outputs(*[(400, P2WPKH)] * 3300))),
    ("scriptsig-size", lambda w: with_script_sig(pay(w.coin), b"\x4d\x00\x02" + bytes(512) + b"\x00" * 1200)),
    ("scriptsig-not-pushonly", lambda w: with_script_sig(pay(w.coin), b"\x61")),
    ("scriptpubkey", lambda w: pay(w.coin, to=b"\x61")),
    ("scriptpubkey", lambda w: pay(w.coin, outputs=outputs((0, b"\x6a\x4c\x51" + bytes(81))))),
    ("scriptpubkey", lambda w: pay(w.coin, to=b"\x00\x15" + bytes(21))),
    ("dust", lambda w: pay(w.coin, outputs=outputs((293, P2WPKH)))),
    ("dust", lambda w: pay(w.coin, outputs=outputs((329, p2wsh(TRUE))))),
    ("multi-op-return", lambda w: pay(w.coin, outputs=outputs((0, b"\x6a"), (0, b"\x6a\x01\x07")))),
    ("tx-size-small", lambda w: pay(w.coin, outputs=outputs((0, b"\x6a\x01\x07")))),
]

CHAIN: list[tuple[str, Broken]] = [
    ("non-final", lambda w: pay(w.coin, locktime=w.chain.height + 1)),
    ("non-final", lambda w: pay(w.coin, locktime=w.chain.tree.median_time(w.chain.tree.tip))),
    ("bad-txns-inputs-missingorspent", lambda w: pay(replace(w.coin, outpoint=Outpoint(b"\x09" * 32, 0)))),
    ("bad-txns-inputs-missingorspent", lambda w: pay(replace(w.coin, outpoint=Outpoint(w.coin.outpoint.txid, 99)))),
    ("non-BIP68-final", lambda w: relative(w, 100)),
    ("non-BIP68-final", lambda w: relative(w, 1 << 22 | 20)),
    ("bad-txns-premature-spend-of-coinbase", lambda w: pay(w.young)),
    ("bad-txns-in-belowout", lambda w: pay(w.coin, fee_sat=-1)),
    ("bad-txns-nonstandard-inputs, input 0", lambda w: of_bare(w, "nonstandard")),
    ("bad-txns-nonstandard-inputs, input 0", lambda w: of_bare(w, "future")),
    ("bad-witness-nonstandard, input 0", lambda w: of_bare(w, "anchor", b"\x01")),
    ("bad-witness-nonstandard, input 0", lambda w: of_bare(w, "taproot", bytes(64), b"\x50annex")),
    ("bad-witness-nonstandard, input 0", lambda w: of_bare(w, "taproot", bytes(81), TRUE, b"\xc0" + bytes(32))),
    ("bad-witness-nonstandard, input 0", lambda w: anyhow(w, "100 drops", *[b""] * 101)),
    ("bad-witness-nonstandard, input 0", lambda w: anyhow(w, "drop", bytes(81))),
    ("bad-witness-nonstandard, input 0", lambda w: anyhow(w, "long")),
    (
        "bad-txns-too-many-sigops",
        lambda w: pay(w.coin, outputs=outputs(*[(800, b"\x51\x21" + KEY + b"\x51\xae")] * 201)),
    ),
    ("min relay fee not met, 109 < 110", lambda w: pay(w.coin, fee_sat=109)),
    ("mandatory-script-verify-flag-failed, input 1", lambda w: forged(w)),
    ("mandatory-script-verify-flag-failed, input 0", lambda w: of_bare(w, "taproot", bytes(64))),
]


def forged(world: World) -> Tx:
    tx = pay(world.coin, world.other)
    return tx.with_witness(1, tx.inputs[0].witness)


@pytest.mark.parametrize("name, broken", FORM + CHAIN)
def test_refuses_by_name(world: World, name: str, broken: Broken) -> None:
    assert reason(world.chain, broken(world)).startswith(name)


def test_every_rule_of_form_is_tried() -> None:
    tried = {name for name, _ in FORM}
    assert {name for name, _ in (*CONSENSUS_RULES, *STANDARD_RULES)} <= tried


def test_bounds_of_a_broadcast(world: World) -> None:
    raw = pay(world.coin).serialise()
    assert reason(world.chain) == "package-empty"
    assert reason(world.chain, raw, raw, raw) == "package-too-many-transactions"
    assert reason(world.chain, bytes(400_001)) == "tx-size"
    assert reason(world.chain, raw, pay(world.other).serialise()) == "package-not-child-with-parents"


# Just within each bound

ALLOWED: list[tuple[str, Broken]] = [
    ("version 1 has no relative locks", lambda w: pay(w.coin, version=1, sequence=100)),
    ("version 3", lambda w: pay(w.coin, version=3)),
    (
        "the smallest outputs",
        lambda w: pay(w.coin, outputs=outputs((294, P2WPKH), (330, p2wsh(TRUE)), (0, b"\x6a" + bytes(82)))),
    ),
    ("fee at the limit", lambda w: pay(w.coin, fee_sat=110)),
    ("100 items", lambda w: spend_script(w.scripts["100"], lambda _: (*[b""] * 100, b"\x75" * 100 + TRUE))),
    ("80 bytes", lambda w: anyhow(w, "drop", b"\x07" * 80)),
    ("locktime reached", lambda w: pay(w.coin, locktime=w.chain.height)),
    ("locktime without effect", lambda w: pay(w.coin, locktime=w.chain.height + 9, sequence=0xFFFFFFFF)),
    ("relative height reached", lambda w: relative(w, w.chain.height + 1 - (w.coin.height or 0))),
    ("relative lock disabled", lambda w: relative(w, 1 << 31 | 100)),
    (
        "16,000 signature checks",
        lambda w: pay(w.coin, fee_sat=20_000, outputs=outputs(*[(800, b"\x51\x21" + KEY + b"\x51\xae")] * 199)),
    ),
    ("anchor", lambda w: of_bare(w, "anchor")),
    ("P2SH", lambda w: of_bare(w, "p2sh", script_sig=b"\x01\x51")),
]


@pytest.mark.parametrize("what, allowed", ALLOWED)
def test_accepts_what_is_just_within(tmp_path: Path, what: str, allowed: Broken) -> None:
    with opened(tmp_path) as chain:
        scripts = {"100": coin(chain, p2wsh(b"\x75" * 100 + TRUE)), "drop": coin(chain, p2wsh(NOP_COINS["drop"]))}
        bare = {name: mined(chain, BARE[name]) for name in ("anchor", "p2sh")}
        ours = coin(chain)
        chain.mine(3)
        world = World(chain, ours, coin(chain), ours, scripts, bare)
        assert reason(chain, allowed(world)) == "", what
        assert len(chain.mempool.entries) == 1
        (block,) = chain.mine()  # and the kernel takes it into the next block
        assert len((chain.read.summary(block.height) or pytest.fail()).txids) == 2


def test_the_last_block_before_a_relative_lock(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        ours = coin(chain)
        tx = pay(ours, sequence=5)
        for _ in range(4):
            assert reason(chain, tx) == "non-BIP68-final"
            chain.mine()
        assert reason(chain, tx) == ""


def test_a_relative_lock_of_time(tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    with opened(tmp_path, clock=lambda: now[0]) as chain:
        ours = coin(chain)
        tx = pay(ours, sequence=1 << 22 | 2)
        now[0] += 1024 + 300
        chain.mine(5)
        assert reason(chain, tx) == "non-BIP68-final", "the median of eleven blocks has not moved yet"
        chain.mine(2)
        assert reason(chain, tx) == ""
        chain.mine()
        assert not chain.mempool.entries


def test_dust_limits_are_those_of_bolt_3() -> None:
    table = {
        b"\x76\xa9\x14" + bytes(20) + b"\x88\xac": 546,
        b"\xa9\x14" + bytes(20) + b"\x87": 540,
        P2WPKH: 294,
        ANYONE_SCRIPT: 330,
        b"\x6a\x01\x01": 0,
        b"\x51\x20" + bytes(32): 330,
        b"\x60\x28" + bytes(40): 354,
        b"\x51\x02\x4e\x73": 240,
    }
    assert {script: dust_limit_sat(script, Policy()) for script in table} == table


def test_what_is_known_is_known(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        ours = coin(chain)
        tx = pay(ours)
        assert chain.broadcast((tx.serialise(),)).outcome.value == "accepted"
        assert chain.broadcast((tx.serialise(),)).outcome.value == "known"
        chain.mine()
        assert chain.broadcast((tx.serialise(),)).outcome.value == "known"
