"""What are the answers of the commands about the wallet? As __init__.py says."""

from typing import Literal

import msgspec

from lnpd.rpc.answers.ids import Outpoint, Txid


class Address(msgspec.Struct, frozen=True):
    """A fresh address of the wallet."""

    address: str


class Coin(msgspec.Struct, frozen=True):
    """An unspent output of the wallet. `reserved_for` names the opening that will spend it; an "immature" one is of a
    coinbase, and can be spent at 100 confirmations."""

    outpoint: Outpoint
    amount_sat: int
    address: str
    confirmations: int
    reserved_for: str = ""
    state: Literal["confirmed", "unconfirmed", "immature", "reserved"] = "confirmed"


class Funds(msgspec.Struct, frozen=True):
    """What the node owns. `channels_msat` is our balance in channels that are open, HTLCs in flight not included;
    `immature_sat` are coinbases that are not 100 blocks deep."""

    confirmed_sat: int
    unconfirmed_sat: int
    reserved_sat: int
    immature_sat: int
    channels_msat: int
    coins: tuple[Coin, ...]


class Sent(msgspec.Struct, frozen=True):
    """A payment of the wallet on chain that was broadcast."""

    txid: Txid
    amount_sat: int
    fee_sat: int


class Mined(msgspec.Struct, frozen=True):
    """New blocks of the regtest chain."""

    height: int
    blocks: tuple[Txid, ...]


class Funded(msgspec.Struct, frozen=True):
    """What the regtest faucet paid to our wallet."""

    outpoint: Outpoint
    amount_sat: int
    address: str
