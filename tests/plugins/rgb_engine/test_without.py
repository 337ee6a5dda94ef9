"""What of the RGB wallet needs no rgb-lib: its sentences where that is missing, its words, its PSBTs, its bounds?"""

import asyncio
import os
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.plugin import Plugin

from nia.bundle import Bundle
from nia.consignment import Consignment, WitnessBundle, parse
from nia.mpc import commit, opret_script
from nia.seals import Assignment, Seal
from nia.transaction import Tx, TxIn, TxOut
from nia.transition import Opout, Transition
from rgb_engine import judge
from rgb_engine.commands import COMMANDS, Desk
from rgb_engine.errors import BadRequest, ConsignmentRefused, LibraryMissing, NetworkUnknown, WalletDamaged
from rgb_engine.judge import Bounds, Case, Expected, Verdict
from rgb_engine.psbt import transactions
from rgb_engine.values import MAX_CONSIGNMENT_BYTES, Accepted, bounded, brief, sized
from rgb_engine.words import kept
from tests.plugins.rgb_channel.ledger import issued

WORDS = "one two three four five six seven eight nine ten eleven twelve"


class Node:
    """What the commands ask of a node."""

    def __init__(self, network: str = "regtest") -> None:
        self.network = network

    async def rpc(self, method: str) -> dict[str, Any]:
        assert method == "info"
        return {"network": self.network, "feerate_per_kw": 253}


def desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(folder)
    return Desk(Plugin("rgb", "1"))


# --- without rgb-lib
def test_without_rgb_lib_the_commands_say_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rgb_lib", None)
    made = desk(tmp_path, monkeypatch)
    told = asyncio.run(made.info(Node()))  # type: ignore[arg-type]
    assert "pip install 'lnpd[rgb]'" in told["problem"] and "NIA" in told["experimental"]
    with pytest.raises(LibraryMissing, match=r"rgb-lib 0\.3\.0b7 is not installed"):
        asyncio.run(made.address(Node()))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_rgb_does_not_know_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rgb_lib", sys)  # it is there
    with pytest.raises(NetworkUnknown, match="RGB knows no network liquid"):
        asyncio.run(desk(tmp_path, monkeypatch).list(Node("liquid")))  # type: ignore[arg-type]


def test_every_command_is_of_the_group_and_has_an_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plugin = Plugin("rgb", "1")
    Desk(plugin)
    rows = plugin.manifest().rpc
    assert [row.name for row in rows] == [f"rgb {name}" for name, *_ in COMMANDS]
    assert all(row.example.startswith(f"lnp {row.name}") for row in rows)
    assert all(parameter.help for row in rows for parameter in row.parameters)


# --- words
def test_words_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    assert kept(tmp_path, tmp_path / "wallet", lambda: WORDS) == WORDS
    assert (tmp_path / "words").stat().st_mode & 0o777 == 0o600
    assert kept(tmp_path, tmp_path / "wallet", lambda: "others") == WORDS


def test_a_wallet_without_its_words_gets_no_new_ones(tmp_path: Path) -> None:
    (tmp_path / "wallet").mkdir()
    with pytest.raises(WalletDamaged, match=r"put .* back from your copy"):
        kept(tmp_path, tmp_path / "wallet", lambda: WORDS)
    (tmp_path / "words").write_text("one two\n")
    with pytest.raises(WalletDamaged, match="twelve words, not 2"):
        kept(tmp_path, tmp_path / "wallet", lambda: WORDS)


# --- PSBTs
UNSIGNED = b"".join(
    (
        bytes.fromhex("0200000001"), b"\x11" * 32, bytes.fromhex("0000000000fdffffff"),
        bytes.fromhex("01e803000000000000015100000000"),
    )
)  # fmt: skip
WITNESS = bytes.fromhex("0102abcd")


def psbt(*inputs: dict[bytes, bytes]) -> str:
    """With these rows for each input, and none for outputs."""
    raw = b"psbt\xff"
    for rows in ({b"\x00": UNSIGNED}, *inputs):
        for key, value in rows.items():
            raw += bytes([len(key)]) + key + bytes([len(value)]) + value
        raw += b"\x00"
    return b64encode(raw).decode()


def test_a_psbts_transaction_has_the_final_witnesses() -> None:
    unsigned, signed = transactions(psbt({b"\x08": WITNESS, b"\x01": b"other"}))
    assert unsigned == UNSIGNED
    assert signed == UNSIGNED[:4] + b"\x00\x01" + UNSIGNED[4:-4] + WITNESS + UNSIGNED[-4:]


WHOLE = psbt({b"\x08": WITNESS})
NO_TX = b64encode(b"psbt\xff\x00").decode()


@pytest.mark.parametrize("text", ["", "!", "cHNi", psbt(), psbt({b"\x07": b"scriptsig"}), WHOLE[:40], NO_TX])
def test_a_psbt_that_is_none_is_named(text: str) -> None:
    with pytest.raises(WalletDamaged, match="PSBT cannot be read"):
        transactions(text)


# --- bounds, and what another process says
def test_what_is_too_much_is_refused() -> None:
    with pytest.raises(BadRequest, match="the amount is 1 to 5, not 6"):
        bounded("the amount", 6, 1, 5)
    for text in ("x" * 9, "\x1b[2J"):
        with pytest.raises(BadRequest, match="at most 8 printable"):
            brief("the ticker", text, 8)
    with pytest.raises(ConsignmentRefused, match="at most"):
        sized(bytes(MAX_CONSIGNMENT_BYTES + 1))


EXPECTED = Expected(b"\x00\x20" + bytes(32), "ab" * 32, 1, "rgb:a", 5)
FOUND = Accepted("rgb:a", 5, "ab" * 32, 1, "unbroadcast")
WRONG: dict[str, tuple[Verdict, str]] = {
    "nothing": (Verdict(None), "^$"),
    "a refusal": (Verdict(None, "ConsignmentRefused", "no"), "no"),
    "a panic": (Verdict(None, "LibraryPanicked", "it broke"), "it broke"),
    "no class of ours": (Verdict(None, "binding", "odd"), "odd"),
    "an unsafe past": (Verdict(Accepted("rgb:a", 5, "ab" * 32, 1, "unsafe")), "not confirmed yet"),
    "another amount": (Verdict(Accepted("rgb:a", 4, "ab" * 32, 1, "unbroadcast")), "amount is 4, and not 5"),
    "another output": (Verdict(Accepted("rgb:a", 5, "ab" * 32, 0, "unbroadcast")), "vout is 0, and not 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_verdict_is_compared_with_what_was_expected(case: str) -> None:
    verdict, text = WRONG[case]
    with pytest.raises(ConsignmentRefused, match=text):
        judge.accepted(verdict, EXPECTED)
    assert judge.accepted(Verdict(FOUND), EXPECTED) == FOUND


def test_a_judge_that_dies_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "__name__", "rgb_engine.nothing_there")
    left = tmp_path / "judge-killed"
    left.mkdir()
    os.utime(left, (0, 0))
    with pytest.raises(ConsignmentRefused, match="did not survive the consignment"):
        asyncio.run(judge.validate(tmp_path, "regtest", "", b"x", EXPECTED))
    assert list(tmp_path.iterdir()) == []


def wide(count: int) -> bytes:
    """A consignment whose one transition has so many assignments: sound, and long to read."""
    txid = b"\1" * 32
    genesis = issued(count, txid, 0)
    contract_id = genesis.contract_id()
    assigned = [Assignment(1, Seal(1, number)) for number in range(count)]
    bundle = Bundle((Transition.spending(contract_id, [Opout(contract_id, 0)], assigned),))
    tree = commit({contract_id: bundle.bundle_id()}, 5)
    tx = Tx(2, (TxIn(txid, 0, 0),), (TxOut(0, opret_script(tree.commitment())), TxOut(1, b"")), 0)
    tail = parse((Path(__file__).parents[1] / "nia" / "ten_transfers.rgb").read_bytes()).tail
    return Consignment(genesis, (WitnessBundle.committed(tx, tree, bundle),), tail).encode()


@pytest.mark.skipif(sys.platform != "linux", reason="no other system holds a process to its memory")
def test_a_consignment_takes_no_more_memory_than_it_may(tmp_path: Path) -> None:
    """In the process that it is really judged in; nothing is left of it."""
    bounds = Bounds(memory_bytes=40 * 1024 * 1024)
    with pytest.raises(ConsignmentRefused, match="judging it takes more than 40 MiB of memory"):
        asyncio.run(judge.validate(tmp_path, "regtest", "", wide(60_000), EXPECTED, bounds))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("seconds", "why"),
    [(60.0, "judging it takes more than 1 s of a processor"), (0.1, "was not judged within 0.1 seconds")],
    ids=["of a processor", "by the clock"],
)
def test_a_judge_without_end_is_ended(
    seconds: float, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "__name__", "endless")
    monkeypatch.setattr(judge, "JUDGE_SECONDS", seconds)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with pytest.raises(ConsignmentRefused, match=why):
        asyncio.run(judge.validate(tmp_path, "regtest", "", b"x", EXPECTED, Bounds(cpu_seconds=1)))
    assert list(tmp_path.iterdir()) == []


def test_bytes_of_strangers_are_read_by_our_own_parser_first() -> None:
    for given in (b"", b"RGB\0TFR", bytes(100)):
        with pytest.raises(ConsignmentRefused, match=r"^(NotATransfer|Truncated): "):
            judge.read(given, Case("regtest", "", EXPECTED))
