"""How does a consignment travel to the peer of a channel, and which bytes name an asset and an amount?

    opener                              acceptor
      |---- open_channel, TERMS ---------->|      contract and amount: refused here if the contract is unknown
      |<--- accept_channel ----------------|
      |---- rgb_consignment, piece 0 ----->|      of the funding transaction, which is not signed yet
      |---- rgb_consignment, piece n ----->|
      |<--- rgb_verdict -------------------|      it assigns the amount to this funding output, or why not
      |---- funding_created -------------->|

Pieces come in order, over one connection, from whom an opening waits; all else is refused by name.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import msgspec

from rgb_node.errors import ConsignmentRefused, TermsUnreadable

MAX_PIECE: Final = 60_000  # bytes; a message has 65,535
MAX_CONSIGNMENT: Final = 2_000_000
MAX_PIECES: Final = -(-MAX_CONSIGNMENT // MAX_PIECE)
MAX_REASON: Final = 400
MAX_AMOUNT: Final = 2**64 - 1

TERMS: Final = 827_167  # in open_channel: an asset's contract, and how much of it the funding holds
METADATA_MARK: Final = b"rgb\x01"

ROWS: Final = """
    message,45827,rgb_consignment
    data,32*byte,transfer
    data,u16,vout
    data,u16,piece
    data,u16,pieces
    data,u16,len
    data,len*byte,bytes
    message,45829,rgb_verdict
    data,32*byte,transfer
    data,byte,accepted
    data,u16,len
    data,len*byte,reason
"""
RECORDS: Final = f"""
    tlv_stream,open_channel_tlvs
    type,{TERMS},rgb_terms
    data,32*byte,contract_id
    data,u64,amount
"""


class Terms(msgspec.Struct, frozen=True):
    """An amount, in the asset's smallest unit, of the asset with this contract id (32 bytes)."""

    contract_id: bytes
    amount: int

    def encode(self) -> bytes:
        """40 bytes: as a record in open_channel, and behind a mark in an invoice's metadata."""
        return self.contract_id + self.amount.to_bytes(8, "big")


def terms_of(data: bytes) -> Terms:
    """Raises TermsUnreadable."""
    if len(data) != 40:
        raise TermsUnreadable(f"The terms of an asset are 40 bytes, not {len(data)}.")
    terms = Terms(data[:32], int.from_bytes(data[32:], "big"))
    if not terms.amount:
        raise TermsUnreadable("The terms name an amount of nothing.")
    return terms


def metadata(terms: Terms) -> bytes:
    """What an asset invoice carries in its payment_metadata, signed with it."""
    return METADATA_MARK + terms.encode()


def asked_in(found: bytes) -> Terms | None:
    """The terms of an asset invoice, from its metadata; None if it is none. Raises TermsUnreadable."""
    if not found.startswith(METADATA_MARK):
        return None
    return terms_of(found[len(METADATA_MARK) :])


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of a transfer, which is named by the hash of the whole."""

    transfer: bytes
    vout: int
    piece: int
    pieces: int
    bytes: bytes


def pieces_of(consignment: bytes, vout: int) -> Iterator[Piece]:
    """What a consignment is sent as. Raises ConsignmentRefused if it is too long."""
    if not 0 < len(consignment) <= MAX_CONSIGNMENT:
        raise ConsignmentRefused(f"A consignment has 1 to {MAX_CONSIGNMENT:,} bytes, not {len(consignment):,}.")
    name, count = sha256(consignment).digest(), -(-len(consignment) // MAX_PIECE)
    for number in range(count):
        yield Piece(name, vout, number, count, consignment[number * MAX_PIECE : (number + 1) * MAX_PIECE])


class Incoming:
    """The one transfer that a peer may send for an opening of its own."""

    def __init__(self) -> None:
        self._first: Piece | None = None
        self._parts: list[bytes] = []

    def add(self, piece: Piece) -> bytes | None:
        """The whole, once its last piece is here. Raises ConsignmentRefused; nothing is kept of it then."""
        try:
            return self._added(piece)
        except ConsignmentRefused:
            self._first, self._parts = None, []
            raise

    def _added(self, piece: Piece) -> bytes | None:
        if piece.piece == 0:
            self._first, self._parts = piece, []
        first = self._first
        if not 0 < piece.pieces <= MAX_PIECES:
            raise ConsignmentRefused(f"A consignment has 1 to {MAX_PIECES} pieces, not {piece.pieces}.")
        if first is None or (piece.transfer, piece.vout, piece.pieces) != (first.transfer, first.vout, first.pieces):
            raise ConsignmentRefused(f"Piece {piece.piece} is of another transfer than the one that began.")
        if piece.piece != len(self._parts) or piece.piece >= piece.pieces:
            raise ConsignmentRefused(f"Piece {piece.piece} came where piece {len(self._parts)} was due.")
        full = piece.piece < piece.pieces - 1
        if (full and len(piece.bytes) != MAX_PIECE) or not 0 < len(piece.bytes) <= MAX_PIECE:
            raise ConsignmentRefused(f"Piece {piece.piece} has {len(piece.bytes):,} bytes.")
        self._parts.append(piece.bytes)
        if full:
            return None
        whole = b"".join(self._parts)
        self._first, self._parts = None, []
        if len(whole) > MAX_CONSIGNMENT or sha256(whole).digest() != piece.transfer:
            raise ConsignmentRefused("The pieces do not make the consignment that they name.")
        return whole
