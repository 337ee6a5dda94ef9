"""Do a node's secrets lie where BIP 32 and LNPBP-46 put them, and does a reused temporary channel id gain nothing?"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from embit import base58
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd.crypto import hd, secp
from lnpd.crypto.hd import HARDENED, ChannelIndex, ExtendedPoint, ExtendedSecret, Master
from lnpd.crypto.keys import per_commitment_point
from lnpd.errors import DerivationOutOfRange

SEED_1 = bytes(range(16))
SEED_2 = bytes(0xFF - 3 * place for place in range(64))
SEED_3 = bytes.fromhex(
    "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4ac"
    "ba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be"
)
MASTER = Master.from_seed(SEED_1, hd.TEST_COIN)

# Never to change: what a plugin's keys were paid would be lost.
PLUGIN_PATH = (
    "m/9735'/1'/5'/1807559813'/981921917'/1813255117'/1466767810'/1291724272'/144226491'/1348441236'/972703638'/7'"
)
PLUGIN_KEY = "038d9aae20f0991f4ee54d63940efccf05669d2a19c3caa97d8f45988f931c87b7"

entropies = st.binary(min_size=8, max_size=8)

# BIP 32, test vectors 1 to 3 (the third is about leading zeros): a path, and below it the extended private key.
BIP_32 = {
    SEED_1: """
m
xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi
m/0'
xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7
m/0'/1
xprv9wTYmMFdV23N2TdNG573QoEsfRrWKQgWeibmLntzniatZvR9BmLnvSxqu53Kw1UmYPxLgboyZQaXwTCg8MSY3H2EU4pWcQDnRnrVA1xe8fs
m/0'/1/2'
xprv9z4pot5VBttmtdRTWfWQmoH1taj2axGVzFqSb8C9xaxKymcFzXBDptWmT7FwuEzG3ryjH4ktypQSAewRiNMjANTtpgP4mLTj34bhnZX7UiM
m/0'/1/2'/2
xprvA2JDeKCSNNZky6uBCviVfJSKyQ1mDYahRjijr5idH2WwLsEd4Hsb2Tyh8RfQMuPh7f7RtyzTtdrbdqqsunu5Mm3wDvUAKRHSC34sJ7in334
m/0'/1/2'/2/1000000000
xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruoUihUZREPSL39UNdE3BBDu76
""",
    SEED_2: """
m
xprv9s21ZrQH143K31xYSDQpPDxsXRTUcvj2iNHm5NUtrGiGG5e2DtALGdso3pGz6ssrdK4PFmM8NSpSBHNqPqm55Qn3LqFtT2emdEXVYsCzC2U
m/0
xprv9vHkqa6EV4sPZHYqZznhT2NPtPCjKuDKGY38FBWLvgaDx45zo9WQRUT3dKYnjwih2yJD9mkrocEZXo1ex8G81dwSM1fwqWpWkeS3v86pgKt
m/0/2147483647'
xprv9wSp6B7kry3Vj9m1zSnLvN3xH8RdsPP1Mh7fAaR7aRLcQMKTR2vidYEeEg2mUCTAwCd6vnxVrcjfy2kRgVsFawNzmjuHc2YmYRmagcEPdU9
m/0/2147483647'/1
xprv9zFnWC6h2cLgpmSA46vutJzBcfJ8yaJGg8cX1e5StJh45BBciYTRXSd25UEPVuesF9yog62tGAQtHjXajPPdbRCHuWS6T8XA2ECKADdw4Ef
m/0/2147483647'/1/2147483646'
xprvA1RpRA33e1JQ7ifknakTFpgNXPmW2YvmhqLQYMmrj4xJXXWYpDPS3xz7iAxn8L39njGVyuoseXzU6rcxFLJ8HFsTjSyQbLYnMpCqE2VbFWc
m/0/2147483647'/1/2147483646'/2
xprvA2nrNbFZABcdryreWet9Ea4LvTJcGsqrMzxHx98MMrotbir7yrKCEXw7nadnHM8Dq38EGfSh6dqA9QWTyefMLEcBYJUuekgW4BYPJcr9E7j
""",
    SEED_3: """
m
xprv9s21ZrQH143K25QhxbucbDDuQ4naNntJRi4KUfWT7xo4EKsHt2QJDu7KXp1A3u7Bi1j8ph3EGsZ9Xvz9dGuVrtHHs7pXeTzjuxBrCmmhgC6
m/0'
xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L
""",
}
CASES = [
    (seed, path, xprv)
    for seed, text in BIP_32.items()
    for path, xprv in zip(text.split()[::2], text.split()[1::2], strict=True)
]


def numbers(path: str) -> list[int]:
    return [int(part.rstrip("'")) + (HARDENED if part.endswith("'") else 0) for part in path.split("/")[1:]]


@pytest.mark.parametrize(("seed", "path", "xprv"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_vectors_of_bip_32(seed: bytes, path: str, xprv: str) -> None:
    decoded = base58.decode_check(xprv)
    key = ExtendedSecret.from_seed(seed).descend(numbers(path))
    assert (key.chain_code, b"\0" + key.secret) == (decoded[13:45], decoded[45:78])
    assert hd.format_path(numbers(path)) == path


@pytest.mark.parametrize("number", [0, 1, 219, HARDENED - 1])
def test_a_public_child_is_that_of_the_secret_child(number: int) -> None:
    parent = MASTER.key.child(HARDENED)
    child, public = parent.child(number), ExtendedPoint(secp.public_key(parent.secret), parent.chain_code).child(number)
    assert (public.point, public.chain_code) == (secp.public_key(child.secret), child.chain_code)


@pytest.mark.parametrize("number", [-1, HARDENED])
def test_a_hardened_child_needs_the_secret(number: int) -> None:
    with pytest.raises(DerivationOutOfRange):
        ExtendedPoint(secp.public_key(MASTER.key.secret), MASTER.key.chain_code).child(number)


def test_wallet_account_of_bip_84() -> None:
    # BIP 84 publishes its account and first keys for the words "abandon ... about"; this is their BIP 39 seed.
    seed = bytes.fromhex(
        "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"
        "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
    )
    account = hd.wallet_account(Master.from_seed(seed, hd.BITCOIN_COIN))
    first = {path: secp.public_key(account.descend(numbers(path)).secret).hex() for path in ("m/0/0", "m/0/1", "m/1/0")}
    assert first == {
        "m/0/0": "0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c",
        "m/0/1": "03e775fd51f0dfb8cd865d9ff1cca2a158cf651fe997fdc9fee9c1d3b5e995ea77",
        "m/1/0": "03025324888e429ab8e3dbaf1f7802648b9cd01e9b418485c5fa4c1b9b5700e1a6",
    }


def test_paths_of_lnpbp_46() -> None:
    # The published example: node 0 on bitcoin, a channel whose temporary id begins with 2938ce5c.
    assert hd.format_path(hd.node_path(hd.BITCOIN_COIN)) == "m/9735'/0'/0'/0'"
    assert hd.format_path(hd.channel_path(hd.BITCOIN_COIN, 0x2938CE5C)) == "m/9735'/0'/1'/0'/691588700'"


def test_our_own_paths() -> None:
    assert hd.format_path(hd.channel_path(hd.TEST_COIN, 7, 2**31 - 1)) == "m/9735'/1'/1'/0'/7'/2147483647'"
    assert hd.format_path(hd.payment_path(hd.TEST_COIN, 999)) == "m/9735'/1'/3'/999'"
    assert hd.format_path(hd.wallet_path(hd.TEST_COIN)) == "m/84'/1'/0'"


def test_each_secret_of_a_channel_lies_at_its_path() -> None:
    secrets = hd.channel_secrets(MASTER, ChannelIndex(5, 6, 7))
    at = {
        "funding": "m/9735'/1'/1'/0'/5'/6'/0",
        "payment": "m/9735'/1'/3'/7'",
        "delayed_payment": "m/9735'/1'/1'/0'/5'/6'/2",
        "revocation": "m/9735'/1'/1'/0'/5'/6'/3",
        "shachain_seed": "m/9735'/1'/1'/0'/5'/6'/4'",
        "htlc": "m/9735'/1'/1'/0'/5'/6'/5",
    }
    for name, path in at.items():
        assert getattr(secrets, name) == MASTER.key.descend(numbers(path)).secret, name
    assert hd.node_secret(MASTER) == MASTER.key.descend(numbers("m/9735'/1'/0'/0'")).secret


def test_basepoints_are_those_of_the_secrets() -> None:
    secrets = hd.channel_secrets(MASTER, ChannelIndex(1, 2, 3))
    points = secrets.basepoints()
    assert points.funding_pubkey == secp.public_key(secrets.funding)
    assert points.revocation_basepoint == secp.public_key(secrets.revocation)
    assert points.payment_basepoint == secp.public_key(hd.payment_secret(MASTER, 3))
    assert points.delayed_payment_basepoint == secp.public_key(secrets.delayed_payment)
    assert points.htlc_basepoint == secp.public_key(secrets.htlc)
    assert points.first_per_commitment_point == per_commitment_point(secrets.shachain_seed, 0)
    assert len(set(msgspec.structs.astuple(points))) == 6


# The theft that LNPBP-46 as published allows, and that our own indices prevent


def channel_of(master: Master, entropy: bytes, turn: int) -> hd.ChannelBasepoints:
    """What an opening does: whatever temporary channel id the opener named, it has no part in this."""
    return hd.channel_secrets(master, ChannelIndex.drawn(entropy, turn)).basepoints()


def test_the_published_path_repeats_a_shachain_when_a_temporary_channel_id_is_reused() -> None:
    temporary_channel_id = bytes.fromhex("2938ce5c0cae4b2af072065dc7dcea68de5e3de0c936742e27e045c8650c6a79")
    level = int.from_bytes(temporary_channel_id[:4], "big") % HARDENED
    before, after = (MASTER.key.descend((*hd.channel_path(1, level), 4)).secret for _ in range(2))
    assert per_commitment_point(before, 0) == per_commitment_point(after, 0)


@settings(max_examples=20)
@given(st.lists(entropies, min_size=3, max_size=3, unique_by=lambda e: ChannelIndex.drawn(e, 0)), st.integers(0, 997))
def test_one_peer_or_two_reusing_a_temporary_channel_id_meet_other_keys(drawn: list[bytes], turn: int) -> None:
    # The first channel closed; the same peer, then another, opens one under the same temporary channel id.
    first, same_peer, other_peer = (channel_of(MASTER, entropy, turn + place) for place, entropy in enumerate(drawn))
    for one, another in ((first, same_peer), (first, other_peer), (same_peer, other_peer)):
        assert set(msgspec.structs.astuple(one)).isdisjoint(msgspec.structs.astuple(another))


def test_payment_turns_are_a_thousand_different_keys_that_the_seed_alone_finds() -> None:
    again = Master.from_seed(SEED_1, hd.TEST_COIN)
    found = {hd.payment_secret(again, turn) for turn in range(hd.PAYMENT_TURNS)}
    assert len(found) == 1000
    assert hd.channel_secrets(MASTER, ChannelIndex.drawn(b"whatever", 421)).payment in found


# Ranges and reprs


@given(entropies, st.integers(0, 999))
def test_a_drawn_index_uses_62_of_its_bits(entropy: bytes, turn: int) -> None:
    index = ChannelIndex.drawn(entropy, turn)
    drawn = int.from_bytes(entropy, "big")
    assert (index.first, index.second, index.payment_turn) == (drawn >> 32 & 0x7FFFFFFF, drawn & 0x7FFFFFFF, turn)
    assert msgspec.json.decode(msgspec.json.encode(index), type=ChannelIndex) == index


@pytest.mark.parametrize(
    "call",
    [
        lambda: ExtendedSecret.from_seed(bytes(15)),
        lambda: ExtendedSecret.from_seed(bytes(65)),
        lambda: MASTER.key.child(-1),
        lambda: MASTER.key.child(2**32),
        lambda: hd.payment_secret(MASTER, 1000),
        lambda: hd.payment_secret(MASTER, -1),
        lambda: hd.node_secret(MASTER, HARDENED),
        lambda: hd.channel_secrets(MASTER, ChannelIndex(HARDENED, 0, 0)),
        lambda: hd.channel_secrets(MASTER, ChannelIndex(0, -1, 0)),
        lambda: hd.channel_secrets(MASTER, ChannelIndex(0, 0, 1000)),
        lambda: ChannelIndex.drawn(bytes(7), 0),
        lambda: ChannelIndex.drawn(bytes(8), 1000),
    ],
)
def test_what_is_out_of_range_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(DerivationOutOfRange):
        call()


def test_no_secret_is_shown() -> None:
    secrets = hd.channel_secrets(MASTER, ChannelIndex(1, 2, 3))
    assert repr(secrets) == "ChannelSecrets(...)"
    assert repr(MASTER.key) == "ExtendedSecret(...)"
    assert repr(MASTER) == "Master(coin=1, ...)"
    assert f"{secrets}" == "ChannelSecrets(...)"


def test_keys_of_plugins_are_where_they_always_were() -> None:
    path = hd.plugin_path(hd.TEST_COIN, 7, b"dlc", b"\x05" * 32, b"cet")
    assert hd.format_path(path) == PLUGIN_PATH
    assert secp.public_key(hd.plugin_secret(MASTER, 7, b"dlc", b"\x05" * 32, b"cet")).hex() == PLUGIN_KEY


@given(st.tuples(st.binary(max_size=5), st.binary(max_size=5)), st.tuples(st.binary(max_size=5), st.binary(max_size=5)))
def test_two_names_of_plugins_keys_have_two_paths(first: tuple[bytes, bytes], second: tuple[bytes, bytes]) -> None:
    assert (hd.plugin_path(0, 0, *first) == hd.plugin_path(0, 0, *second)) == (first == second)


def test_no_other_path_begins_as_those_of_plugins_do() -> None:
    plugins = hd.plugin_path(0, 0, b"x")[:3]
    others = (hd.node_path(0), hd.channel_path(0, 1, 2), hd.payment_path(0, 1), hd.backup_path(0), hd.wallet_path(0))
    assert all(path[:3] != plugins for path in others)
    with pytest.raises(DerivationOutOfRange):
        hd.plugin_path(0, HARDENED, b"x")
