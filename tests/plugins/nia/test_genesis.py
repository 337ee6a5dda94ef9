"""Is a contract's id computed from its genesis, and what does the genesis say of the asset?"""

import msgspec
import pytest

from nia import errors
from nia.consignment import parse
from nia.genesis import AssetSpec, ChainNet, Genesis, read_genesis, read_spec
from nia.seals import Assignment, GenesisSeal, Seal
from nia.strict import blob, u16, u64, whole
from tests.plugins.nia.figures import CONTRACT, TEN_TRANSFERS

SPEC = bytes.fromhex("04555344580b5465737420646f6c6c61720002")
TERMS = bytes(3)

# The genesis of the contract whose transfers figures.py has, as rgb-lib wrote it.
ENCODED = (
    "000045687051f4cca6e3f665fc75fe3e27b30080346789ad83aa0dc29e95a315e3353a63016b000000000d007373693a616e6f6e796d6f7573"
    "04000003d0070100130004555344580b5465737420646f6c6c61720002d10701000300000000da0701000800a0860100000000000100a00f01"
    "010000ccfe6ccbfea639387bf2a50b94f6910a39c77caa5085b01ac4ddadfa5a75fc80000000002a00897c47e8f52808a086010000000000"
)
SEAL = GenesisSeal(
    0,
    int.from_bytes(bytes.fromhex("2a00897c47e8f528"), "little"),
    bytes.fromhex("ccfe6ccbfea639387bf2a50b94f6910a39c77caa5085b01ac4ddadfa5a75fc80"),
)
GENESIS = Genesis(ChainNet.REGTEST, (Assignment(100_000, SEAL),), 100_000, SPEC, TERMS, 0x6B01633A)


def test_a_genesis_of_rgb_lib() -> None:
    assert GENESIS.encode().hex() == ENCODED
    assert whole(bytes.fromhex(ENCODED), read_genesis) == GENESIS
    assert GENESIS.contract_id() == CONTRACT
    assert GENESIS.asset() == AssetSpec("USDX", "Test dollar", 2)


def test_another_of_rgb_lib_is_what_its_transitions_say() -> None:
    ten = parse(TEN_TRANSFERS)
    assert {one.contract_id for each in ten.bundles for one in each.bundle.transitions} == {ten.genesis.contract_id()}


@pytest.mark.parametrize(
    "other",
    [
        {"chain": ChainNet.BITCOIN},
        {"supply": 99_999},
        {"spec": SPEC + b"\0"},
        {"terms": b""},
        {"timestamp_seconds": -1},
        {"issuer": "ssi:somebody"},
        {"assignments": (Assignment(100_001, SEAL),)},
        {"assignments": (Assignment(100_000, GenesisSeal(1, SEAL.blinding, SEAL.txid)),)},
    ],
)
def test_each_part_is_in_the_id_and_comes_back(other: dict[str, object]) -> None:
    changed = msgspec.structs.replace(GENESIS, **other)
    assert changed.contract_id() != CONTRACT
    assert whole(changed.encode(), read_genesis) == changed


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        ({"assignments": ()}, errors.NothingToEncode),
        ({"assignments": (Assignment(100_000, Seal(1, 1, SEAL.txid)),)}, errors.OutOfRange),
        ({"timestamp_seconds": 2**63}, errors.OutOfRange),
        ({"supply": 2**64}, errors.OutOfRange),
        ({"issuer": ""}, errors.OutOfRange),
        ({"issuer": "caf\u00e9"}, errors.OutOfRange),
        ({"spec": bytes(65_536)}, errors.OutOfRange),
    ],
)
def test_no_genesis_exists_that_has_no_bytes(other: dict[str, object], kind: type[errors.NiaError]) -> None:
    with pytest.raises(kind):
        msgspec.structs.replace(GENESIS, **other)


def at(offset: int, put: bytes) -> bytes:
    """The genesis with other bytes there."""
    data = bytes.fromhex(ENCODED)
    return data[:offset] + put + data[offset + len(put) :]


ISSUER, CHAIN, GLOBALS = 42, 57, 60
REFUSED: dict[str, tuple[type[errors.NiaError], bytes]] = {
    "another version": (errors.UnknownVersion, at(0, u16(1))),
    "another schema": (errors.ForeignSchema, at(2, b"\0")),
    "no issuer": (errors.UnreadableText, at(ISSUER, u16(0))),
    "an issuer of no text": (errors.UnreadableText, at(ISSUER + 2, b"\n")),
    "a chain that nobody knows": (errors.UnknownTag, at(CHAIN, b"\x08")),
    "another way to close seals": (errors.UnknownTag, at(CHAIN + 1, b"\1")),
    "metadata": (errors.ForeignState, at(CHAIN + 2, b"\1")),
    "less global state": (errors.ForeignState, at(GLOBALS, b"\2")),
    "other global state": (errors.ForeignState, at(GLOBALS + 1, u16(2002))),
    "two specifications": (errors.ForeignState, at(GLOBALS + 3, u16(2) + u16(0) + u16(15))),
    "a supply of seven bytes": (
        errors.Truncated,
        bytes.fromhex(ENCODED).replace(u16(8) + u64(100_000), blob(bytes(7), 2)),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_genesis_of_nia_is_refused_by_name(what: str) -> None:
    kind, data = REFUSED[what]
    with pytest.raises(kind) as caught:
        whole(data, read_genesis)
    assert type(caught.value) is kind


def test_what_an_issuer_may_say_of_an_asset() -> None:
    assert whole(b"\1A\1B\1\5caf\xc3\xa9\x12", read_spec) == AssetSpec("A", "B", 18, "café")
    for wrong, kind in {
        b"\0\1B\0\0": errors.UnreadableText,
        b"\x09ABCDEFGHI\1B\0\0": errors.UnreadableText,
        b"\1A\1\x7f\0\0": errors.UnreadableText,
        b"\1A\1B\2\0": errors.UnknownTag,
        b"\1A\1B\1\0\0": errors.UnreadableText,
        b"\1A\1B\1\1\xff\0": errors.UnreadableText,
        b"\1A\1B\1\4\x1b[2J\0": errors.UnreadableText,
        b"\1 \1B\0\0": errors.UnreadableText,
        b"\x021A\1B\0\0": errors.UnreadableText,
        b"\1A\1B\0\x13": errors.UnknownTag,
        b"\1A\1B\0\0\0": errors.TrailingBytes,
    }.items():
        with pytest.raises(kind):
            whole(wrong, read_spec)
