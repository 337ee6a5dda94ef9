"""What are the answers of the commands about invoices and payments? As __init__.py says."""

import msgspec

from lnpd.rpc.answers.ids import Hex, NodeId


class Invoice(msgspec.Struct, frozen=True):
    """An invoice of ours. `amount_msat` is None if the payer chooses it."""

    invoice: str
    payment_hash: Hex
    amount_msat: int | None
    description: str
    state: str
    expires_unix_seconds: int


class Decoded(msgspec.Struct, frozen=True):
    """What an invoice says (BOLT 11), whoever wrote it. `feature_names` are those of its feature bits, ascending;
    `payment_metadata` is for its payee alone, or for plugins that know what it means."""

    network: str
    payee: NodeId
    payment_hash: Hex
    amount_msat: int | None
    description: str
    created_unix_seconds: int
    expiry_seconds: int
    expired: bool
    min_final_cltv_expiry_delta: int
    features: Hex
    feature_names: tuple[str, ...] = ()
    fallback_addresses: tuple[str, ...] = ()
    payment_metadata: Hex = ""


PAID_BEFORE = "It was paid before: nothing was paid now."


class Paid(msgspec.Struct, frozen=True):
    """A payment that arrived: the preimage is the receipt. `note` says so if it had arrived before."""

    payment_hash: Hex
    preimage: Hex
    amount_msat: int
    fee_msat: int
    parts: int
    seconds: float
    note: str = ""


class Payment(msgspec.Struct, frozen=True):
    """A payment that we made or try. `why` says what made it fail."""

    payment_hash: Hex
    state: str
    amount_msat: int
    fee_msat: int
    created_unix_seconds: int
    preimage: Hex = ""
    why: str = ""
