"""Which operation made an asset, what does it say of the asset, and what is the contract's id?

The contract's id is the id of its genesis, so whoever reads a genesis knows the contract, whatever a file claims.
"""

from enum import IntEnum

import msgspec

from nia.errors import ForeignSchema, ForeignState, NothingToEncode, OutOfRange, UnreadableText
from nia.hashes import NOTHING, OPERATION, VALUE, leaf, merkle_root, node, tagged
from nia.seals import Assignment, GenesisSeal, Seal, assignments_root, encode_assignments, read_assignments
from nia.strict import Reader, blob, collection, signed, u8, u16, u64, whole
from nia.transition import GENESIS_COMMITMENT, LAST_NONCE, NO_METADATA, VERSION, read_version

NIA_SCHEMA = bytes.fromhex("45687051f4cca6e3f665fc75fe3e27b30080346789ad83aa0dc29e95a315e335")

SPEC, TERMS, ISSUED_SUPPLY = 2000, 2001, 2010  # NIA's global state: each once
FIRST_OPRET_OR_TAPRET = 0  # the only way to close a seal

MAX_TICKER, MAX_NAME, MAX_DETAILS, MAX_ISSUER = 8, 40, 255, 4096
MAX_PRECISION = 18


class ChainNet(IntEnum):
    """The chain on which a contract lives."""

    BITCOIN = 0
    TESTNET3 = 1
    TESTNET4 = 2
    SIGNET = 3
    REGTEST = 4
    LIQUID = 5
    LIQUID_TESTNET = 6
    CUSTOM_SIGNET = 7


class AssetSpec(msgspec.Struct, frozen=True):
    """What the issuer says of the asset: `precision` is the count of decimal places of an amount."""

    ticker: str
    name: str
    precision: int
    details: str = ""


class Genesis(msgspec.Struct, frozen=True):
    """The first operation of a contract of NIA. `spec` and `terms` are as strictly encoded.

    Raises NothingToEncode and OutOfRange.
    """

    chain: ChainNet
    assignments: tuple[Assignment, ...]
    supply: int
    spec: bytes
    terms: bytes
    timestamp_seconds: int
    issuer: str = "ssi:anonymous"

    def __post_init__(self) -> None:
        if not self.assignments:
            raise NothingToEncode("a genesis needs an assignment")
        if any(isinstance(each.seal, Seal) and not isinstance(each.seal, GenesisSeal) for each in self.assignments):
            raise OutOfRange("an open seal of a genesis is a GenesisSeal")
        if not 1 <= len(self.issuer) <= MAX_ISSUER or not (self.issuer.isascii() and self.issuer.isprintable()):
            raise OutOfRange(f"an issuer is a text of 1 to {MAX_ISSUER} ASCII characters")
        self.encode()

    def encode(self) -> bytes:
        """Its bytes."""
        globals_ = [u16(kind) + collection([blob(value, 2)], 2) for kind, value in self._globals()]
        return (
            u16(VERSION)
            + NIA_SCHEMA
            + self._timestamp()
            + self._issuer()
            + u8(self.chain)
            + u8(FIRST_OPRET_OR_TAPRET)
            + u8(0)
            + collection(globals_, 1)
            + encode_assignments(self.assignments)
        )

    def contract_id(self) -> bytes:
        """The contract's id, which is this operation's too."""
        base = NIA_SCHEMA + self._timestamp() + tagged(VALUE, self._issuer()) + u8(self.chain)
        return tagged(
            OPERATION,
            u16(VERSION)
            + u64(LAST_NONCE)
            + u8(GENESIS_COMMITMENT)
            + base
            + u8(FIRST_OPRET_OR_TAPRET)
            + NO_METADATA
            + merkle_root([leaf(u16(kind) + blob(value, 2)) for kind, value in self._globals()])
            + node(NOTHING, 0, 0)
            + assignments_root(self.assignments),
        )

    def asset(self) -> AssetSpec:
        """What it says of the asset. Raises classes of Malformed."""
        return whole(self.spec, read_spec)

    def _globals(self) -> tuple[tuple[int, bytes], ...]:
        return ((SPEC, self.spec), (TERMS, self.terms), (ISSUED_SUPPLY, u64(self.supply)))

    def _timestamp(self) -> bytes:
        return signed(self.timestamp_seconds, 8)

    def _issuer(self) -> bytes:
        return blob(self.issuer.encode("ascii"), 2)


def read_spec(reader: Reader) -> AssetSpec:
    """Ticker, name, details and precision. Raises classes of Malformed."""
    ticker, name = reader.text(1, MAX_TICKER), reader.text(1, MAX_NAME)
    if not ticker.isalnum() or not ticker[0].isalpha():
        raise UnreadableText(f"the ticker {ticker!r} is not a letter, then letters and digits")
    details = _details(reader) if reader.tag(0, 1) else ""
    return AssetSpec(ticker, name, reader.tag(*range(MAX_PRECISION + 1)), details)


def _details(reader: Reader) -> str:
    """A printable text of 1 to 255 bytes in UTF-8: it will be shown in a terminal."""
    try:
        found = reader.blob(1).decode()
    except UnicodeDecodeError as why:
        raise UnreadableText(f"the details before {reader.at} are no UTF-8") from why
    if not found or not found.isprintable():
        raise UnreadableText(f"the details before {reader.at} are empty or cannot be printed")
    return found


def read_genesis(reader: Reader) -> Genesis:
    """A genesis of NIA. Raises ForeignSchema, ForeignState, UnknownVersion, and classes of Malformed."""
    read_version(reader)
    if (schema := reader.a_hash()) != NIA_SCHEMA:
        raise ForeignSchema(f"the schema is {schema.hex()}, and not NIA")
    timestamp_seconds, issuer = reader.signed(8), reader.text(2, MAX_ISSUER)
    chain = ChainNet(reader.tag(*ChainNet))
    reader.tag(FIRST_OPRET_OR_TAPRET)
    if reader.number(1):
        raise ForeignState(f"metadata before {reader.at}, which a genesis of NIA has not")
    spec, terms, supply = read_globals(reader)
    assignments = read_assignments(reader, in_genesis=True)
    return Genesis(chain, assignments, supply, spec, terms, timestamp_seconds, issuer)


def read_globals(reader: Reader) -> tuple[bytes, bytes, int]:
    """The asset's specification, its terms and its supply. Raises ForeignState, and classes of Malformed."""
    found = []
    if (count := reader.number(1)) != len((SPEC, TERMS, ISSUED_SUPPLY)):
        raise ForeignState(f"{count} kinds of global state before {reader.at}, where NIA has 3")
    for kind in (SPEC, TERMS, ISSUED_SUPPLY):
        if (stated := reader.number(2)) != kind:
            raise ForeignState(f"global state {stated} before {reader.at}, where NIA has {kind}")
        values = reader.items(2, 2, lambda each: each.blob(2), least=1)
        if len(values) > 1:
            raise ForeignState(f"global state {kind} stands {len(values)} times before {reader.at}")
        found += values
    return found[0], found[1], whole(found[2], lambda each: each.number(8))
