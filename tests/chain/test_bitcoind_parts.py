"""Do the parts of the bitcoind backend that ask nobody read what they are given, and nothing else?"""

from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd.chain.bitcoind.address import BitcoindAddress, Login, find, read_url
from lnpd.chain.bitcoind.answers import BlockchainInfo, Notification, sat
from lnpd.chain.bitcoind.blocks import merkle_root
from lnpd.chain.bitcoind.fees import per_kw
from lnpd.chain.bitcoind.http import LONGEST_PAUSE_SECONDS, Backoff
from lnpd.chain.bitcoind.notices import Notice, endpoints_of, read_notice
from lnpd.chain.bitcoind.start import SIGNET_CHALLENGE, check_chain
from lnpd.chain.bitcoind.watched import Watched, shown_scripts, shows_itself
from lnpd.chain.interface import Outpoint, WatchOutpoint, WatchScript, WatchTxid
from lnpd.chain.transaction import Input
from lnpd.config import Config, read_bitcoind
from lnpd.errors import BitcoindMisbehaves, BitcoindNotFound, ChainIsAnother
from lnpd.tx.script import hash160

COOKIE = ".cookie"

# What bitcoin.conf holds, the network, the URL; then host, port and login (a cookie's path is below the directory).
FOUND: dict[str, tuple[str, str, str, str, int, Login | str]] = {
    "nothing said": ("", "regtest", "auto", "127.0.0.1", 18443, "regtest/.cookie"),
    "main": ("", "bitcoin", "auto", "127.0.0.1", 8332, ".cookie"),
    "signet": ("", "signet", "auto", "127.0.0.1", 38332, "signet/.cookie"),
    "testnet": ("", "testnet", "auto", "127.0.0.1", 18332, "testnet3/.cookie"),
    "url": ("rpcport=1", "regtest", "http://u:p@h:5", "h", 5, Login("u", "p")),
    "url, usual port": ("", "signet", "http://u:p@h", "h", 38332, Login("u", "p")),
    "url, escaped": ("", "regtest", "http://u%40x:p%3A%2F@h:5/", "h", 5, Login("u@x", "p:/")),
    "url, empty password": ("", "regtest", "http://u:@h:5", "h", 5, Login("u", "")),
    "url, cookie": ("rpcuser=a\nrpcpassword=b", "regtest", "http://h:5", "h", 5, "regtest/.cookie"),
    "url, IPv6": ("", "regtest", "http://[::1]:5", "::1", 5, "regtest/.cookie"),
    "password": ("rpcuser=a\nrpcpassword=b # c", "regtest", "auto", "127.0.0.1", 18443, Login("a", "b")),
    "port of main": ("rpcport=7", "bitcoin", "auto", "127.0.0.1", 7, ".cookie"),
    "port of main is main's": ("rpcport=7", "regtest", "auto", "127.0.0.1", 18443, "regtest/.cookie"),
    "section": ("rpcuser=a\n[main]\nrpcport=7\n[regtest]\nrpcport = 9", "regtest", "auto", "127.0.0.1", 9,
                "regtest/.cookie"),
    "first wins": ("[regtest]\nrpcport=9\nrpcport=10", "regtest", "auto", "127.0.0.1", 9, "regtest/.cookie"),
    "cookie elsewhere": ("rpccookiefile=door", "regtest", "auto", "127.0.0.1", 18443, "regtest/door"),
    "noise": ("#rpcport=1\n\n=\nno\n[x\nrpcport", "regtest", "auto", "127.0.0.1", 18443, "regtest/.cookie"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_bitcoind_is_found(tmp_path: Path, case: str) -> None:
    text, network, url, host, port, login = FOUND[case]
    for folder in ("regtest", "signet", "testnet3"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bitcoin.conf").write_text(text)
    expected = login if isinstance(login, Login) else Login(cookie=tmp_path / login)
    assert read_url(url) == url
    assert find(network, url, tmp_path) == BitcoindAddress(host, port, expected)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BitcoindNotFound, match="no bitcoind for signet"):
        find("signet", directory=tmp_path)
    (tmp_path / "bitcoin.conf").write_text("[regtest]\nrpcport=x\n")
    with pytest.raises(BitcoindNotFound, match="rpcport"):
        find("regtest", directory=tmp_path)
    with pytest.raises(BitcoindNotFound, match="cannot be read"):
        Login(cookie=tmp_path / COOKIE).header()
    (tmp_path / COOKIE).write_text("no cookie")
    with pytest.raises(BitcoindNotFound, match="not a cookie"):
        Login(cookie=tmp_path / COOKIE).header()
    (tmp_path / COOKIE).write_text("__cookie__:aa")
    assert Login(cookie=tmp_path / COOKIE).header() == "Basic X19jb29raWVfXzphYQ=="


@pytest.mark.parametrize("word", ["", "h:5", "https://h:5", "http://", "http://h:0", "http://h:65536", "http://u@h:5",
                                  "http://u:p@h:5/wallet/x", "http://a b:c@h"])  # fmt: skip
def test_what_is_no_url_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="HOST"):
        read_url(word)


def test_a_password_is_never_shown() -> None:
    url = "http://alice:hunter2@example:5"
    config = Config(directory=Path("x"), bitcoind=read_bitcoind(url))
    address = find("regtest", url)
    for shown in (repr(config), str(config.bitcoind), str(address), repr(address), repr(address.login)):
        assert "hunter2" not in shown
    assert str(address) == "example:5"


REGTEST = BlockchainInfo("regtest", 1, 1, "00" * 32, False)
SIGNET = BlockchainInfo("signet", 1, 1, "00" * 32, False, signet_challenge=SIGNET_CHALLENGE)


def test_another_chain_is_refused() -> None:
    check_chain(REGTEST, "regtest")
    check_chain(SIGNET, "signet")
    check_chain(replace(REGTEST, chain="main"), "bitcoin")
    check_chain(replace(REGTEST, chain="test"), "testnet")
    for info, network in ((REGTEST, "bitcoin"), (SIGNET, "regtest"), (replace(REGTEST, chain="testnet4"), "testnet")):
        with pytest.raises(ChainIsAnother, match=network):
            check_chain(info, network)
    with pytest.raises(ChainIsAnother, match="signet of its own"):
        check_chain(replace(SIGNET, signet_challenge="51"), "signet")


def test_amounts_and_rates_are_exact() -> None:
    assert [sat(Decimal(each)) for each in ("0", "0.00000001", "20999999.9769", "1E-8")] == [0, 1, 2099999997690000, 1]
    for wrong in ("-0.1", "0.000000001", "21000000.1", "NaN", "Infinity", "1E+99"):
        with pytest.raises(BitcoindMisbehaves):
            sat(Decimal(wrong))
    assert [per_kw(Decimal(each)) for each in ("0.00001", "0.00001012", "0.00001013", "0")] == [250, 253, 254, 0]
    for wrong in ("-1", "NaN", "1E+99"):
        with pytest.raises(BitcoindMisbehaves):
            per_kw(Decimal(wrong))


def test_a_merkle_root_is_that_of_a_known_block() -> None:
    # Block 170 of the main chain, with the first payment that was ever made.
    txids = (
        "b1fea52486ce0c62bb442b530a3f0132b826c74e473d1f2c220bfa78111c5082",
        "f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16",
    )
    root = merkle_root([bytes.fromhex(txid)[::-1] for txid in txids])
    assert root[::-1].hex() == "7dac2c5666815c17a3b36427de37bb9d2e2c5ccec3f8633eb91a4205cb4c10ff"
    one, two, three = (sha256(bytes([n])).digest() for n in range(3))
    assert merkle_root([one]) == one
    assert merkle_root([one, two, three]) == merkle_root([one, two, three, three])


HASH = bytes(range(32))


@pytest.mark.parametrize(
    ("topic", "body", "notice"),
    [
        ("sequence", HASH + b"A" + (7).to_bytes(8, "little"), Notice(HASH[::-1], True, 7)),
        ("sequence", HASH + b"R" + (2**40).to_bytes(8, "little"), Notice(HASH[::-1], False, 2**40)),
        ("sequence", HASH + b"C", None),
        ("sequence", HASH + b"D", None),
        ("sequence", HASH + b"A", None),
        ("sequence", HASH + b"X" + bytes(8), None),
        ("sequence", b"", None),
        ("hashblock", HASH, None),
    ],
)
def test_notices_are_read(topic: str, body: bytes, notice: Notice | None) -> None:
    assert read_notice(topic, body) == notice


def test_where_to_listen() -> None:
    def where(*told: tuple[str, str], host: str = "127.0.0.1") -> tuple[str, ...]:
        return endpoints_of([Notification(kind, address) for kind, address in told], host)

    here = "tcp://127.0.0.1:28332"
    assert where(("pubsequence", here), ("pubhashblock", here)) == (here,)
    assert where(("pubhashblock", here)) == (), "blocks alone do not tell of an invalidated one"
    assert where(("pubsequence", "tcp://0.0.0.0:1"), host="fe80::1") == ("tcp://[fe80::1]:1",)
    assert where(("pubsequence", "tcp://*:1"), ("pubhashblock", "ipc:///run/b")) == (
        "tcp://127.0.0.1:1",
        "ipc:///run/b",
    )
    assert where(("pubsequence", "http://x"), ("pubrawtx", here)) == ()


KEY = b"\x02" + b"\x11" * 32


def an_input(*witness: bytes, script_sig: bytes = b"") -> Input:
    made = Input((bytes(32), 0), script_sig, 0)
    made.witness = witness
    return made


@pytest.mark.parametrize(
    ("spent", "script"),
    [
        (an_input(b"s", KEY), b"\x00\x14" + hash160(KEY)),
        (an_input(b"s", b"\x51"), b"\x00\x20" + sha256(b"\x51").digest()),
        (an_input(b"\x51"), b"\x00\x20" + sha256(b"\x51").digest()),
        (an_input(script_sig=b"\x01s\x21" + KEY), b"\x76\xa9\x14" + hash160(KEY) + b"\x88\xac"),
        (an_input(b"s", KEY, script_sig=b"\x02\x00\x14"), b"\xa9\x14" + hash160(b"\x00\x14") + b"\x87"),
        (an_input(script_sig=b"\x4c\x02ab"), b"\xa9\x14" + hash160(b"ab") + b"\x87"),
        (an_input(script_sig=b"\x4d\x02\x00ab"), b"\xa9\x14" + hash160(b"ab") + b"\x87"),
    ],
)
def test_an_input_shows_its_script(spent: Input, script: bytes) -> None:
    assert script in shown_scripts(spent)
    assert shows_itself(script)


def test_a_key_path_shows_nothing() -> None:
    assert not shows_itself(b"\x51\x20" + bytes(32)) and not shows_itself(b"\x51")
    assert shown_scripts(an_input()) == ()


@given(st.binary(max_size=80), st.lists(st.binary(max_size=40), max_size=4).map(tuple))
def test_any_input_can_be_looked_at(script_sig: bytes, witness: tuple[bytes, ...]) -> None:
    assert all(shows_itself(script) for script in shown_scripts(an_input(*witness, script_sig=script_sig)))


def test_watches_come_and_go() -> None:
    taproot, key = WatchScript(b"\x51\x20" + bytes(32)), WatchScript(b"\x00\x14" + bytes(20))
    others = (WatchTxid(HASH), WatchOutpoint(Outpoint(HASH, 1)))
    watched = Watched((taproot, key, *others))
    assert (len(watched.all), len(watched.keys), len(watched.scripts), len(watched.hidden)) == (4, 4, 2, 1)
    watched.remove((taproot, *others, WatchTxid(bytes(32))))
    assert (watched.all, watched.scripts, watched.hidden) == ({key}, {key.script}, set())
    assert len(watched.keys) == 1


def test_pauses_grow_and_end() -> None:
    now = [100.0]
    backoff = Backoff(lambda: now[0])
    pauses = []
    for _ in range(8):
        backoff.failed()
        backoff.failed()
        pauses.append(backoff.left_seconds)
        now[0] += backoff.left_seconds
    assert pauses[:3] == [0.25, 0.5, 1.0] and pauses[-1] == LONGEST_PAUSE_SECONDS
    backoff.answered()
    assert backoff.left_seconds == 0
    backoff.failed()
    assert backoff.left_seconds == 0.25
