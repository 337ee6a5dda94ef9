"""What does the wallet tell of assets, transfers and fundings? Ids and txids are hex or RGB's own text, as people see
them; amounts of an asset are in its smallest unit, as RGB counts."""

from re import fullmatch
from typing import Final, Literal

import msgspec

from rgb_engine.errors import BadRequest, ConsignmentRefused

MAX_AMOUNT: Final = 2**64 - 1
MAX_SAT: Final = 21_000_000 * 100_000_000
MAX_TEXT: Final = 4_096
MAX_CONSIGNMENT_BYTES: Final = 4 * 1024 * 1024
MAX_FEERATE: Final = 1_000  # sat per vbyte

Status = Literal["begun", "unsent", "unsafe", "unbroadcast", "unconfirmed", "settled", "failed"]
"""`begun` reserves inputs and has no consignment yet; `unsent` is signed, and not broadcast before `finish`; `unsafe`
waits for confirmations of what came before it; `unbroadcast` was accepted and its transaction has not been seen."""


class Amounts(msgspec.Struct, frozen=True):
    """What is confirmed and not yet gone, what will be once everything pending is, and what can be spent now."""

    settled: int
    future: int
    spendable: int


class Bitcoin(msgspec.Struct, frozen=True):
    """The wallet's satoshi: `plain` pays fees and makes room, `holding` are outputs that hold tokens or can."""

    plain_sat: Amounts
    holding_sat: Amounts


class Asset(msgspec.Struct, frozen=True):
    """A fungible asset (NIA) that the wallet knows. `precision` is how many digits are behind the point."""

    asset_id: str
    ticker: str
    name: str
    precision: int
    supply: int
    balance: Amounts


class Invoice(msgspec.Struct, frozen=True):
    """What somebody wants to receive on chain; the asset and the amount are empty where the payer chooses."""

    text: str
    recipient_id: str
    asset_id: str = ""
    amount: int = 0
    expires_unix_seconds: int = 0

    @property
    def is_blinded(self) -> bool:
        """Whether it goes to an output that the recipient has, not to a new one."""
        return ":utxob:" in self.recipient_id


class Transfer(msgspec.Struct, frozen=True):
    """One entry of the wallet's history. `amount` is what came or went, 0 as long as nothing did; `asked` what its
    invoice said, 0 for any. `asset_id` is empty for an open invoice of any asset, `vout` is where it was received."""

    batch: int
    asset_id: str
    kind: Literal["issued", "received", "sent", "other"]
    status: Status
    amount: int
    asked: int = 0
    txid: str = ""
    vout: int = 0
    recipient_id: str = ""
    created_unix_seconds: int = 0
    expires_unix_seconds: int = 0
    consignment_path: str = ""
    psbt_path: str = ""


class Funding(msgspec.Struct, frozen=True):
    """A signed transaction, not broadcast, that assigns tokens to one of its outputs.

    `unsigned` and `signed` are the transaction without and with witnesses, serialised; who has the latter can
    broadcast it. `consignment` holds the former.
    """

    txid: str
    vout: int
    unsigned: bytes
    signed: bytes
    consignment: bytes


class Accepted(msgspec.Struct, frozen=True):
    """What a valid consignment assigns to the expected output."""

    asset_id: str
    amount: int
    txid: str
    vout: int
    status: Status


def bounded(name: str, value: int, least: int, most: int) -> int:
    """The value. BadRequest if it is beyond its bounds."""
    if not least <= value <= most:
        raise BadRequest(f"{name} is {least} to {most}, not {value}")
    return value


def brief(name: str, value: str, most: int = MAX_TEXT) -> str:
    """The text. BadRequest if it is too long or not printable."""
    if len(value) > most or not value.isprintable():
        raise BadRequest(f"{name} is at most {most} printable characters")
    return value


def a_txid(text: str) -> str:
    """The txid. BadRequest if it is none."""
    if not fullmatch("[0-9a-f]{64}", text):
        raise BadRequest(f"{text[:64]!r} is no txid")
    return text


def sized(consignment: bytes) -> bytes:
    """The same. ConsignmentRefused if it is too long."""
    if len(consignment) > MAX_CONSIGNMENT_BYTES:
        raise ConsignmentRefused(f"a consignment has at most {MAX_CONSIGNMENT_BYTES} bytes, not {len(consignment)}")
    return consignment
