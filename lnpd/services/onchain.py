"""What do channels ask of the chain and of the on-chain wallet?

Methods that take a `Write` are synchronous and add their rows to the caller's transaction: a channel and what is
watched for it change together or not at all.
"""

from collections.abc import Collection
from typing import Protocol

import msgspec

from lnpd.channel.actions import WatchOutput, WatchTransaction
from lnpd.channel.events import SpendSeen
from lnpd.store.write import Write
from lnpd.tx.transaction import Tx, TxOut

# The chain


Outpoint = tuple[bytes, int]
"""An output: txid and index."""


class StoredBroadcast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction that is to be confirmed: what it spends, and bytes by which its owner knows how to complete it.

    Its own bytes are made when it is broadcast, for its fee and its signatures may change until it is confirmed.
    """

    key: str
    inputs: tuple[Outpoint, ...]
    payload: bytes = b""

    @classmethod
    def of(cls, key: str, tx: Tx, payload: bytes = b"") -> "StoredBroadcast":
        """One whose inputs are a transaction's."""
        return cls(key, tuple((each.txid, each.vout) for each in tx.inputs), payload)


class BroadcastStatus(msgspec.Struct, frozen=True):
    """How a broadcast stands. `refused` is the mempool's last reason, or why it could not be completed; empty if it
    was taken. `spent` counts its inputs that a confirmed transaction spends (itself, or one that conflicts); `ended`:
    all of them, some blocks ago.
    """

    key: str
    txids: tuple[bytes, ...] = ()
    refused: str = ""
    attempts: int = 0
    inputs: int = 0
    spent: int = 0
    ended: bool = False


class ChainListener(Protocol):
    """Whom the chain watcher calls, on the event loop; the channels' driver."""

    def deliver(self, owner: bytes) -> None:
        """Rows wait in this owner's inbox; `chainwatch_rows.read_fact` reads them. After the commit."""
        ...

    def seen(self, owner: bytes, event: SpendSeen) -> None:
        """A transaction that waits in the mempool spends an output that this owner watches. Not stored, and a hint."""
        ...

    def deliver_block(self, height: int) -> None:
        """The best chain ends at this height: after each change of the tip, and once after a start."""
        ...

    async def complete(
        self, owner: bytes, broadcast: StoredBroadcast, spent: frozenset[Outpoint]
    ) -> tuple[bytes, ...] | None:
        """The transaction, complete (a package of two, parent first, if a child pays); None: not yet.

        `spent` are those of its inputs that are spent in the best chain.
        """
        ...

    async def answered(self, txids: Collection[bytes], taken: Collection[bytes]) -> None:
        """What `complete` made was offered: of these transactions the mempool has `taken`."""
        ...

    async def ended(self, owner: bytes, key: str) -> None:
        """All inputs of this owner's broadcast were spent some blocks ago; told once, and once after a start."""
        ...


class ChainWatcher(Protocol):
    """The chain as channels see it. What takes a Write is part of the caller's transaction and remembers nothing."""

    def add_watch(self, write: Write, owner: bytes, action: WatchTransaction | WatchOutput) -> None:
        """Report to this owner from now on, and what of the past it has missed. Idempotent; a key replaces itself."""
        ...

    def add_broadcast(self, write: Write, owner: bytes, broadcast: StoredBroadcast) -> None:
        """Broadcast, at each new block again, until all inputs are spent deeply; a key replaces itself."""
        ...

    def remove_owner(self, write: Write, owner: bytes) -> None:
        """Forget all watches and broadcasts of an owner."""
        ...

    def applied(self) -> None:
        """The transaction is committed: act on it. Never blocks."""
        ...

    @property
    def height(self) -> int:
        """The height up to which everything was delivered."""
        ...

    async def feerate(self, target_blocks: int) -> int:
        """Satoshi per 1000 weight units, never below 253; the last known estimate if the backend fails."""
        ...

    async def estimate(self, target_blocks: int) -> int | None:
        """The same, but None if the backend fails."""
        ...

    def status(self, owner: bytes) -> tuple[BroadcastStatus, ...]:
        """How the broadcasts of an owner stand."""
        ...


# The wallet


class Funded(msgspec.Struct, frozen=True):
    """A signed transaction whose output `vout` is the one that was asked for. It is not broadcast."""

    txid: bytes
    vout: int
    transaction: Tx
    fee_sat: int


class FeeWanted(msgspec.Struct, frozen=True):
    """A transaction whose fee the wallet shall pay.

    `tx` spends `spent`, weighs at most `weight` once it is signed, and has its inputs and outputs first; the wallet's
    come after them. With a `parent_weight` the fee is that of both, and the parent pays `parent_fee_sat` of it.
    More than `max_fee_sat` is never added, however many coins it takes, and coins that do not suffice pay what they
    can: the feerate is lowered, as far as nodes relay. `later_weight` is what they shall pay for after it, as much for
    its weight, if they suffice for that at all.
    `reference` names it through all its versions.
    """

    reference: str
    tx: Tx
    spent: tuple[TxOut, ...]
    weight: int
    feerate_per_kw: int
    parent_weight: int = 0
    parent_fee_sat: int = 0
    max_fee_sat: int | None = None
    later_weight: int = 0


class FeePaid(msgspec.Struct, frozen=True):
    """The transaction with the wallet's inputs, signed, and its change; what it pays, and weighs at most; and what the
    wallet's inputs spend."""

    tx: Tx
    fee_sat: int
    weight: int
    coins: tuple[TxOut, ...] = ()


class Balance(msgspec.Struct, frozen=True):
    """What the wallet owns, in satoshi. No coin is counted twice.

    confirmed: in the best chain and not spent by a transaction that we know. unconfirmed: outputs of transactions in
    the mempool. pending: our change in transactions that wait to be broadcast (an opening). immature: coinbases that
    are not 100 blocks deep. reserved: coins that those pending transactions spend, or that are kept for a plugin.
    held: what came home from channels whose type holds it for a plugin: nothing is paid with it.
    """

    confirmed_sat: int = 0
    unconfirmed_sat: int = 0
    pending_sat: int = 0
    immature_sat: int = 0
    reserved_sat: int = 0
    held_sat: int = 0


class WalletCoin(msgspec.Struct, frozen=True):
    """An unspent output of the wallet. `height` is None while unconfirmed; `reserved_for` is the reference of the
    pending transaction that spends it, or for whom it is kept; `held_for` the provider for whose plugin it is held."""

    txid: bytes
    vout: int
    value_sat: int
    script_pubkey: bytes
    branch: int
    number: int
    height: int | None
    is_coinbase: bool = False
    reserved_for: str = ""
    held_for: str = ""


class WalletPayment(msgspec.Struct, frozen=True):
    """A transaction of the wallet: by how much it changed what we own; its fee if we paid all of it."""

    txid: bytes
    height: int | None
    change_sat: int
    fee_sat: int | None
    reference: str


class FundingWallet(Protocol):
    """The on-chain wallet. Errors are classes under WalletError, ChainError and SignerRefused."""

    async def new_address(self) -> str:
        """A receive address that was never paid. After 20 unpaid ones in a row the oldest of them is given again."""
        ...

    async def next_script(self) -> bytes:
        """A scriptPubKey of ours for sweeps and closings, stored as given before it returns."""
        ...

    async def fund(self, reference: str, output: TxOut, feerate_per_kw: int, max_fee_sat: int | None = None) -> Funded:
        """A signed transaction that pays `output`; its coins are reserved, and that is stored, before it returns.

        The same reference and output again answer the same. InsufficientFunds, FeeTooHigh, ReferenceTaken,
        OutputTooSmall.
        """
        ...

    async def pay_fee(self, wanted: FeeWanted) -> FeePaid:
        """The transaction with coins that pay its fee, reserved before this returns; an older version of the same
        reference gives its coins back. The reserve may be spent for it. InsufficientFunds, FeeTooHigh."""
        ...

    async def fee_answered(self, txid: bytes, is_taken: bool) -> None:
        """Whether the mempool took what `pay_fee` made; the version that a refused one was to replace stands again."""
        ...

    async def give_back(self, reference: str) -> None:
        """Frees the coins of a `pay_fee` that cannot confirm any more; nothing if it is confirmed, or unknown."""
        ...

    async def release(self, txid: bytes) -> bool:
        """Frees the coins of a funding that will not be broadcast. False if it is unknown, or on the network."""
        ...

    def released(self, write: Write, txid: bytes) -> bool:
        """`release` within the transaction of the channel that gives its funding up."""
        ...

    async def release_orphans(self, references: Collection[str]) -> tuple[bytes, ...]:
        """After a start: frees pending fundings of references that are not among these. Returns their txids."""
        ...

    async def send(self, address: str, amount_sat: int | None, feerate_per_kw: int) -> Funded:
        """Pays an address and broadcasts; None is all there is. AddressRefused, BroadcastRefused, and as `fund`."""
        ...

    async def balance(self) -> Balance:
        """What the wallet owns."""
        ...

    async def coins(self) -> tuple[WalletCoin, ...]:
        """Every unspent output, reserved ones too."""
        ...

    async def listing(self) -> tuple[WalletPayment, ...]:
        """Every transaction of the wallet: unconfirmed ones first, then the newest block's."""
        ...
