"""What are the answers of the commands about the wallet? As __init__.py says."""

from typing import Literal

import msgspec

from lnpd.rpc.answers.ids import Outpoint, Txid


class Address(msgspec.Struct, frozen=True):
    """A fresh address of the wallet."""

    address: str


class Coin(msgspec.Struct, frozen=True):
    """An unspent output of the wallet. `reserved_for` names the opening that will spend it; an "immature" one is of a
    coinbase, and can be spent at 100 confirmations. A "held" one came home from a channel, and `reserved_for`
    is the provider for whose plugin it is kept: nothing is paid with it, for the plugin may have something in it."""

    outpoint: Outpoint
    amount_sat: int
    address: str
    confirmations: int
    reserved_for: str = ""
    state: Literal["confirmed", "unconfirmed", "immature", "reserved", "held"] = "confirmed"


class Funds(msgspec.Struct, frozen=True):
    """What the node owns. `channels_msat` is our balance in channels that are open, HTLCs in flight not included;
    `immature_sat` are coinbases that are not 100 blocks deep; `held_sat` is held for plugins, and counted apart."""

    confirmed_sat: int
    unconfirmed_sat: int
    reserved_sat: int
    immature_sat: int
    channels_msat: int
    coins: tuple[Coin, ...]
    held_sat: int = 0


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
