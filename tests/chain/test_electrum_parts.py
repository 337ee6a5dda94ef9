"""Do the parts of the Electrum backend that need no server keep their promises?"""

import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.chain.electrum import work
from lnpd.chain.electrum.address import ElectrumAddress, read_url
from lnpd.chain.electrum.broadcasts import _verdict
from lnpd.chain.electrum.certificates import Certificates, any_context, strict_context
from lnpd.chain.electrum.headers import Headers
from lnpd.chain.electrum.ledger import Item, climb, heights_in, root_of, scripthash
from lnpd.chain.interface import Outcome
from lnpd.chain.transaction import read_transaction
from lnpd.errors import CertificateChanged, ElectrumMisbehaves
from lnpd.tx.transaction import hash256
from tests.chain.false_electrum import BITS, GENESIS, PAYMENT, grow, mined

URLS = {
    "ssl://electrum.example.org:50002": ElectrumAddress("electrum.example.org", 50_002, True),
    "ssl://[2001:db8::1]:50002/": ElectrumAddress("2001:db8::1", 50_002, True),
    "tcp://127.0.0.1:50001": ElectrumAddress("127.0.0.1", 50_001, False),
    "tcp://[::1]:50001": ElectrumAddress("::1", 50_001, False),
    "tcp://localhost:50001": ElectrumAddress("localhost", 50_001, False),
    "tcp-unprotected://10.0.0.7:50001": ElectrumAddress("10.0.0.7", 50_001, False),
}


@pytest.mark.parametrize("word", URLS)
def test_a_url_names_a_server(word: str) -> None:
    assert read_url(word) == URLS[word]


@pytest.mark.parametrize(
    "word",
    [
        "",
        "electrum.example.org:50002",
        "ssl://h",
        "ssl://h:0",
        "ssl://h:65536",
        "http://h:1",
        "ssl://h:1/x",
        "ssl://a b:1",
    ],
)
def test_what_is_no_url_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="ssl://HOST:PORT"):
        read_url(word)


@pytest.mark.parametrize("host", ["electrum.example.org", "10.0.0.7", "[2001:db8::1]", "localhost.example.org"])
def test_what_everybody_can_change_stays_on_this_machine(host: str) -> None:
    with pytest.raises(ValueError, match="for a server on this machine"):
        read_url(f"tcp://{host}:50001")


# Of Bitcoin Core's own tests: first and last time of a period, its target, and the next one's.
RETARGETS = [
    (1_261_130_161, 1_262_152_739, 0x1D00FFFF, 0x1D00D86A),
    (1_231_006_505, 1_233_061_996, 0x1D00FFFF, 0x1D00FFFF),
    (1_279_008_237, 1_279_297_671, 0x1C05A3F4, 0x1C0168FD),
    (1_263_163_443, 1_269_211_443, 0x1C387F6F, 0x1D00E1FD),
]


@pytest.mark.parametrize(("first", "last", "bits", "expected"), RETARGETS)
def test_the_target_of_the_next_period(first: int, last: int, bits: int, expected: int) -> None:
    assert work.next_bits(first, last, bits, work.EASIEST["bitcoin"]) == expected


@pytest.mark.parametrize("bits", [0x1D00FFFF, 0x1D00D86A, 0x1B0404CB, 0x207FFFFF, 0x1E0377AE, 0x03123456, 0x02008000])
def test_compact_forms_come_back(bits: int) -> None:
    assert work.compact(work.target(bits)) == bits


@pytest.mark.parametrize("bits", [0x1D800000, 0xFF00FFFF, 0x2300FFFF])
def test_a_target_that_is_none_is_nobodys(bits: int) -> None:
    assert work.target(bits) == 0


def _header(seconds: int, bits: int) -> bytes:
    return bytes(68) + seconds.to_bytes(4, "little") + bits.to_bytes(4, "little") + bytes(4)


def test_on_testnet_a_late_block_may_be_easy_and_the_next_one_not() -> None:
    easy, usual = work.EASIEST["testnet"], 0x1B0404CB
    chain = {2_017: _header(0, usual), 2_018: _header(1_201, easy), 2_019: _header(2_402, easy)}
    assert work.expected_bits("testnet", 2_018, 1_200, chain.__getitem__) == usual
    assert work.expected_bits("testnet", 2_018, 1_201, chain.__getitem__) == easy
    assert work.expected_bits("testnet", 2_020, 2_500, chain.__getitem__) == usual
    assert work.expected_bits("signet", 2_018, 9_999, chain.__getitem__) == usual


def test_the_first_period_of_bitcoin_ends_with_the_same_target() -> None:
    first, last = _header(1_231_006_505, 0x1D00FFFF), _header(1_233_061_996, 0x1D00FFFF)
    chain = {0: first, 2_015: last}
    assert work.expected_bits("bitcoin", 2_016, 1_233_063_531, chain.__getitem__) == 0x1D00FFFF


def test_a_branch_needs_more_work_to_take_over() -> None:
    headers = Headers("regtest")
    chain = grow([GENESIS], 10)
    assert headers.join(0, chain) and headers.height == 10
    same = grow(chain[:8], 3, salt=1)
    assert not headers.join(8, same[8:]) and headers.tip.hash == hash256(chain[-1])
    more = grow(chain[:8], 4, salt=1)
    assert headers.join(8, more[8:]) and headers.tip.hash == hash256(more[-1])
    with pytest.raises(ElectrumMisbehaves, match="follow none"):
        headers.join(13, chain)
    with pytest.raises(ElectrumMisbehaves, match="first block"):
        Headers("signet").join(0, [GENESIS])


def test_what_broke_a_rule_is_not_taken_in() -> None:
    headers = Headers("regtest")
    chain = grow([GENESIS], 3)
    headers.join(0, chain)
    bad = [*grow(chain, 2)[4:], mined(chain[2], [bytes(32)], 2_000_000_000)]
    with pytest.raises(ElectrumMisbehaves):
        headers.join(4, bad)
    assert headers.height == 3
    assert work.bits(headers.at(3)) == BITS


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20, unique=True), st.data())
def test_a_branch_leads_to_the_root(txids: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(txids) - 1))
    row, position, branch = list(txids), place, []
    while len(row) > 1:
        row += row[-1:] * (len(row) % 2)
        branch.append(row[position ^ 1][::-1].hex())
        row = [hash256(row[at] + row[at + 1]) for at in range(0, len(row), 2)]
        position >>= 1
    assert climb(txids[place], place, branch) == root_of(txids) == row[0]


def test_a_transaction_that_is_listed_twice_is_in_its_block() -> None:
    """So a server shows it whose mempool lags behind its blocks."""
    name = "ab" * 32
    for items in (((name, 15), (name, 0)), ((name, -1), (name, 15))):
        assert heights_in(Item(*each) for each in items) == {bytes.fromhex(name): 15}
    assert heights_in([Item(name, -1)]) == {bytes.fromhex(name): 0}


def test_half_a_transaction_is_no_transaction() -> None:
    """A transaction of 64 bytes can be made so that one half of it is another one's id."""
    made = bytes.fromhex("02000000" + "01") + b"\x07" * 36 + b"\x00" + bytes(4)
    made += b"\x01" + bytes(8) + b"\x04" + b"\x51" * 4 + bytes(4)
    assert len(made) == 64 and read_transaction(made).outputs
    with pytest.raises(ElectrumMisbehaves, match="64 bytes"):
        climb(made[32:], 1, [made[:32][::-1].hex()])
    with pytest.raises(ElectrumMisbehaves, match="64 bytes"):
        root_of([made[:32], made[32:]])


def test_a_script_has_the_name_that_servers_give_it() -> None:
    script = bytes.fromhex("76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac")  # of the first block's address
    assert scripthash(script) == "8b01df4e368ea28f8dc0423bcf7a4923e3a12d307c875e47a0cfbf90b5c39161"


WORDS = {
    "the transaction was rejected by network rules.\n\ndust, tx with dust\n[0200ff]": "dust, tx with dust",
    "the tx package was rejected by network rules.\n\npackage-not-sorted.": "package-not-sorted.",
    "bad-txns-inputs-missingorspent": "bad-txns-inputs-missingorspent",
    "Missing inputs": "bad-txns-inputs-missingorspent",
    "the transaction was rejected by network rules.\n\nTransaction outputs already in utxo set\n[02]": "",
    "txn-already-known": "",
}


@pytest.mark.parametrize("words", WORDS)
def test_bitcoinds_words_come_out_of_the_servers(words: str) -> None:
    verdict = _verdict(read_transaction(PAYMENT.serialise()), words)
    assert verdict.reason == WORDS[words]
    assert verdict.outcome is (Outcome.REFUSED if WORDS[words] else Outcome.KNOWN)


def test_a_certificate_is_remembered(tmp_path: Path) -> None:
    one, other = ElectrumAddress("a.example.org", 1, True), ElectrumAddress("b.example.org", 1, True)
    path = tmp_path / "certificates"
    Certificates(path).check(one, b"first")
    Certificates(path).check(one, b"first")
    Certificates(path).check(other, b"second")
    with pytest.raises(CertificateChanged, match="it had another one"):
        Certificates(path).check(one, b"second")
    Certificates(path).vouched_for(other)
    with pytest.raises(CertificateChanged, match="an authority vouched for"):
        Certificates(path).check(other, b"second")
    assert strict_context().verify_mode is ssl.CERT_REQUIRED and any_context().verify_mode is ssl.CERT_NONE
