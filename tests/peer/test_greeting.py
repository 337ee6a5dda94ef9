"""Is our init what other nodes want to see, and is each chain who it says it is?"""

import struct
from hashlib import sha256

import pytest

from lnpd import errors
from lnpd.peer.chains import CHAIN_HASHES, chain_name
from lnpd.peer.farewell import farewell
from lnpd.peer.greeting import NEEDS, OFFERED, Greeting
from lnpd.wire.catalogue import CORE
from lnpd.wire.features import BOLT9, Features
from lnpd.wire.message import decode, encode
from lnpd.wire.messages import Error, Extension, Init, Warning
from tests.vectors import load

# time, bits and nonce of each genesis block; the merkle root is testnet4's own or the one all others share
GENESIS = {
    "bitcoin": (1231006505, 0x1D00FFFF, 2083236893),
    "testnet": (1296688602, 0x1D00FFFF, 414098458),
    "testnet4": (1714777860, 0x1D00FFFF, 393743547),
    "signet": (1598918400, 0x1E0377AE, 52613770),
    "regtest": (1296688602, 0x207FFFFF, 2),
}
MERKLE = bytes.fromhex("4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b")[::-1]
MERKLE_TESTNET4 = bytes.fromhex("7aa0a7ae1e223414cb807e40cd57e667b718e42aaf9306db9102fe28912b7b4e")[::-1]


@pytest.mark.parametrize("name", GENESIS)
def test_a_chain_hash_is_the_hash_of_the_genesis_header(name: str) -> None:
    merkle = MERKLE_TESTNET4 if name == "testnet4" else MERKLE
    header = struct.pack("<I32s32sIII", 1, bytes(32), merkle, *GENESIS[name])
    assert sha256(sha256(header).digest()).digest() == CHAIN_HASHES[name]
    assert chain_name(CHAIN_HASHES[name]) == name
    assert set(GENESIS) == set(CHAIN_HASHES)


def test_our_init_is_these_bytes() -> None:
    """Features 0, 5, 8, 12, 14, 23, 27, 35, 44, 47; networks; an extension in an odd record above 65536."""
    message = Greeting(CHAIN_HASHES["regtest"], extensions=(Extension(name="box", format=1),)).init(
        b"\x01\x01\x01\x01\x01\x26\x07"
    )
    data = encode(message)
    assert data.hex() == (
        "0010" "0000" "0006" "900808805121"
        "0120" "06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f"
        "0307" "01010101012607"
        "fe00018103" "06" "03626f780001"
    )  # fmt: skip
    assert decode(data) == message and isinstance(message, Init)


@pytest.mark.parametrize("name", ["electrum_wallet", "ldk_0.1", "cln", "eclair_default"])
def test_we_agree_with_the_published_sets_of_other_nodes(name: str) -> None:
    sets = load("features.json")["known_init_sets"]
    print(f"features.json known_init_sets: {len(sets)} nodes")
    assert len(sets) == 4
    theirs = Features.of(*sets[name]["required"], *sets[name]["optional"])
    ours = Greeting(CHAIN_HASHES["regtest"])
    agreement = ours.agree(Init(globalfeatures=b"", features=theirs.to_bytes()))
    assert agreement.features.has("option_channel_type")
    required = Features.of(*sets[name]["required"])
    missing = [bit for bit in required.bits() if not OFFERED.mask & 3 << bit]
    assert not missing, "they would refuse us"


def test_what_a_message_needs_is_a_message_and_a_feature_that_exist() -> None:
    for message, names in NEEDS.items():
        assert CORE.message(message) is not None, message
        assert all(BOLT9[name] for name in names)
    named = {row.name: row.option for row in CORE.messages.values() if row.option}
    assert {message: NEEDS[message] for message in named} == {message: (option,) for message, option in named.items()}


def test_what_we_offer_depends_on_nothing_that_we_do_not() -> None:
    BOLT9.check(OFFERED, "I")
    pairs = [bit // 2 for bit in OFFERED.bits()]
    assert len(pairs) == len(set(pairs)), "BOLT 9: never both bits of a feature"


def test_only_an_error_of_the_channels_costs_channels() -> None:
    kinds = {
        errors.ProtocolError: Error,
        errors.ProtocolWarning: Warning,
        errors.Truncated: Warning,
        errors.InvalidPoint: Warning,
        errors.UnknownEvenFeature: Warning,
        errors.PingFlood: Warning,
        errors.PeerSilent: type(None),
        errors.ConnectionClosed: type(None),
    }
    assert {kind: type(farewell(kind("why"))) for kind in kinds} == kinds
