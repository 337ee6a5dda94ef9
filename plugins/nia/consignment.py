"""What does the file hold that proves who owns an asset, and how is another transfer added to it?

A transfer's consignment: terminals, the genesis, then for each transaction that moved the asset its bundle, parents
first, and at the end schema, types and scripts, which are the same bytes for every contract of NIA. To hand an
assignment on: append the witness bundle of the new transaction, and name its concealed seals as terminals.
"""

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from nia.bundle import Bundle, read_bundle
from nia.errors import ForeignSchema, NotATransfer, NotOpret, Oversized, UnknownVersion
from nia.genesis import Genesis, read_genesis
from nia.mpc import Proof, Tree, read_proof
from nia.strict import Reader, a_hash, collection, u8
from nia.transaction import Tx, read_tx

MAGIC = b"RGB\0TFR"
VERSION = 0
IS_TRANSFER = 1
MAX_BYTES = 8_000_000

# Schema, types and scripts of NIA, as rgb-schemas 0.11.1-rc.11 has them.
TAIL_BYTES = 4353
TAIL_SHA256 = bytes.fromhex("1eda1ddc7afbef70195cfc10bc22bd4401e2a8d7db6bf99f1f0c483f1b6134f8")

BY_ID, WHOLE = 0, 1
TAPRET, OPRET = 1, 2

MIN_TERMINAL_BYTES = 32 + 2 + 32
MIN_BUNDLE_BYTES = 1 + 32 + 7 + 1 + 4


class WitnessBundle(msgspec.Struct, frozen=True):
    """A transaction (or its id alone), the proof of its commitment to a bundle, and the bundle."""

    witness: Tx | bytes
    proof: Proof
    bundle: Bundle

    @classmethod
    def committed(cls, witness: Tx, tree: Tree, bundle: Bundle) -> "WitnessBundle":
        """The bundle with its proof from the tree to which the transaction commits.

        Raises NothingToEncode if the tree has no such contract, and classes of Forged and Foreign if the transaction
        does not commit to the tree.
        """
        witness.check_commitment(tree.commitment())
        return cls(witness, tree.proof(bundle.transitions[0].contract_id), bundle)

    def txid(self) -> bytes:
        """The transaction's id."""
        return self.witness.txid() if isinstance(self.witness, Tx) else self.witness

    def encode(self) -> bytes:
        """Its bytes."""
        witness = u8(WHOLE) + self.witness.encode() if isinstance(self.witness, Tx) else u8(BY_ID) + self.witness
        return witness + self.proof.encode() + u8(OPRET) + self.bundle.encode()


class Terminal(msgspec.Struct, frozen=True):
    """The concealed seals of one bundle for which the file was made, ascending."""

    bundle_id: bytes
    secrets: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Its bytes."""
        return a_hash(self.bundle_id) + collection([a_hash(each) for each in self.secrets], 2)


class Consignment(msgspec.Struct, frozen=True):
    """A transfer's file, in parts. Terminals ascend by bundle; bundles stand after those that they spend from."""

    genesis: Genesis
    bundles: tuple[WitnessBundle, ...]
    tail: bytes
    terminals: tuple[Terminal, ...] = ()

    def extended(self, added: Iterable[WitnessBundle], terminals: Iterable[Terminal] = ()) -> "Consignment":
        """The file with more transfers, for the owner of these concealed seals (none: every new seal is open)."""
        ordered = tuple(sorted(terminals, key=lambda each: each.bundle_id))
        return msgspec.structs.replace(self, bundles=(*self.bundles, *added), terminals=ordered)

    def encode(self) -> bytes:
        """Its bytes."""
        return (
            MAGIC
            + u8(VERSION)
            + u8(IS_TRANSFER)
            + collection([each.encode() for each in self.terminals], 2)
            + self.genesis.encode()
            + collection([each.encode() for each in self.bundles], 4)
            + self.tail
        )


def parse(data: bytes, max_bytes: int = MAX_BYTES) -> Consignment:
    """A file from its bytes, which may be anybody's.

    Raises classes of Malformed and Foreign, and of Forged where a transition or a bundle belies its own id. What the
    parts say of each other, `nia.history` checks.
    """
    if len(data) > max_bytes:
        raise Oversized(f"{len(data)} bytes, where {max_bytes} are the most")
    reader = Reader(data)
    if data[: len(MAGIC)] != MAGIC:
        raise NotATransfer("the file does not begin as a transfer of RGB does")
    reader.take(len(MAGIC))
    if version := reader.number(1):
        raise UnknownVersion(f"a container of version {version}")
    if reader.tag(0, 1) != IS_TRANSFER:
        raise NotATransfer("the file is a contract, and no transfer")
    terminals = tuple(reader.items(2, MIN_TERMINAL_BYTES, read_terminal))
    reader.ascending(each.bundle_id for each in terminals)
    genesis = read_genesis(reader)
    bundles = tuple(reader.items(4, MIN_BUNDLE_BYTES, read_witness_bundle))
    return Consignment(genesis, bundles, read_tail(reader), terminals)


def read_terminal(reader: Reader) -> Terminal:
    """The seals of one bundle. Raises classes of Malformed."""
    bundle_id, secrets = reader.a_hash(), reader.items(2, 32, Reader.a_hash, least=1)
    reader.ascending(secrets)
    return Terminal(bundle_id, tuple(secrets))


def read_witness_bundle(reader: Reader) -> WitnessBundle:
    """A bundle and what proves it. Raises NotOpret, and classes of Malformed, Foreign and Forged."""
    witness = read_tx(reader) if reader.tag(BY_ID, WHOLE) == WHOLE else reader.a_hash()
    proof = read_proof(reader)
    if reader.tag(TAPRET, OPRET) == TAPRET:
        raise NotOpret("the commitment is inside a taproot output (tapret)")
    return WitnessBundle(witness, proof, read_bundle(reader))


def read_tail(reader: Reader) -> bytes:
    """Schema, types and scripts. Raises ForeignSchema unless they are NIA's, byte for byte."""
    tail = reader.take(reader.left)
    if len(tail) != TAIL_BYTES or sha256(tail).digest() != TAIL_SHA256:
        raise ForeignSchema(f"{len(tail)} bytes of schema, types and scripts are not those of NIA")
    return tail
