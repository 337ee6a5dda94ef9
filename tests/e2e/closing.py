"""How does a test put HTLCs into a channel, close it by force, and count every satoshi afterwards?"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple
from unittest.mock import patch

from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.chain.embedded import ChainView
from lnpd.chain.interface import Outpoint
from lnpd.channel.actions import HtlcFailed, HtlcFulfilled, HtlcReceived, Told
from lnpd.channel.events import Add, Fulfill
from lnpd.channel.state import Channel, Closed
from lnpd.services.chain.service import RemoteChain
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.node.node import Node
from lnpd.services.payments.service import Payments
from lnpd.services.recipients import Effects, Recipient
from lnpd.testing import Network, until, until_asked
from lnpd.tx.graph import Funding
from lnpd.tx.transaction import Tx, parse

ONION = bytes(1366)


class Ears:
    """Payments that decide nothing, and remember what they are told."""

    def __init__(self, inner: Recipient) -> None:
        self.inner = inner
        self.fulfilled: dict[int, bytes] = {}
        self.failed: list[int] = []

    async def told(self, channel: Channel, message: Told) -> Effects:
        match message:
            case HtlcReceived():
                return Effects()
            case HtlcFulfilled(id=number, preimage=preimage):
                self.fulfilled[number] = preimage
            case HtlcFailed(id=number, on_chain=True):
                self.failed.append(number)
        return await self.inner.told(channel, message)


def ears(node: Node) -> Ears:
    """This node answers no HTLC from now on, and its payments are listened to."""
    recipients = node.channels.parts.recipients
    recipients["payments"] = found = Ears(recipients["payments"])
    return found


async def reborn(network: Network, node: Node, **changes: Any) -> tuple[Node, Ears]:  # Any: whatever Config takes
    """A node that is started again, perhaps with another configuration, and listened to from its first moment on: what
    it missed it is told at once."""
    tell = Payments.told
    heard: list[Ears] = []

    async def told(payments: Payments, channel: Channel, message: Told) -> Effects:
        return await heard_by(payments).told(channel, message)

    def heard_by(payments: Payments) -> Ears:
        if not heard:
            heard.append(Ears(_Voice(tell, payments)))
        return heard[0]

    with patch.object(Payments, "told", told):
        node = await network.restart(node, **changes)
        node.channels.parts.recipients["payments"] = found = heard_by(node.payments)
    return node, found


class _Voice(NamedTuple):
    """What payments say of themselves, whoever listens."""

    tell: Callable[[Payments, Channel, Told], Awaitable[Effects]]
    payments: Payments

    async def told(self, channel: Channel, message: Told) -> Effects:
        return await self.tell(self.payments, channel, message)


def driver_of(node: Node) -> ChannelDriver:
    """The driver of a node's only channel."""
    (driver,) = node.channels.drivers.values()
    return driver


def preimage(number: int) -> bytes:
    return sha256(b"preimage %d" % number).digest()


@dataclass
class Money:
    """What happened on chain since `begin`: every transaction with its fee, and what each wallet has."""

    network: Network
    height: int = 0
    before_sat: dict[str, int] = field(default_factory=dict)
    fundings: dict[str, tuple[Funding, ...]] = field(default_factory=dict)

    async def begin(self, *nodes: Node) -> None:
        self.height = (await self.network.chain.best_block()).height
        for node in nodes:
            self.before_sat[node.config.alias] = await confirmed_sat(node)
            self.fundings[node.config.alias] = driver_of(node).channel.fundings

    async def gained_sat(self, node: Node) -> int:
        return await confirmed_sat(node) - self.before_sat[node.config.alias]

    async def transactions(self) -> list[Tx]:
        """All but coinbases, in the order of the chain."""
        found = []
        tip = (await self.network.chain.best_block()).height
        for height in range(self.height + 1, tip + 1):
            block = await self.network.chain.block_at(height)
            assert block is not None
            found += [await self.transaction(txid) for txid in block.txids[1:]]
        return found

    async def transaction(self, txid: bytes) -> Tx:
        known = await self.network.chain.transaction(txid)
        assert known is not None
        return parse(known.transaction)

    async def fee_sat(self, tx: Tx) -> int:
        spent = [(await self.transaction(i.txid)).outputs[i.vout].value_sat for i in tx.inputs]
        return sum(spent) - sum(output.value_sat for output in tx.outputs)

    async def fees_sat(self, *nodes: Node) -> dict[str, int]:
        """By whom each fee was paid: whoever's wallet the sweep of it goes to; "channel" is the commitment."""
        fees: dict[str, int] = {"channel": 0} | {node.config.alias: 0 for node in nodes}
        txs = await self.transactions()
        fundings = {f.txid for node in nodes for f in self.fundings[node.config.alias]}
        for tx in txs:
            owner = "channel" if tx.inputs[0].txid in fundings else self._owner(tx, txs, nodes)
            fees[owner] = fees.get(owner, 0) + await self.fee_sat(tx)
        return fees

    def _owner(self, tx: Tx, txs: list[Tx], nodes: tuple[Node, ...]) -> str:
        for node in nodes:
            if any(node.wallet.scripts.path(output.script_pubkey) is not None for output in tx.outputs):
                return node.config.alias
        (below,) = [each for each in txs if any(i.txid == tx.txid for i in each.inputs)]
        return self._owner(below, txs, nodes)

    async def unspent_anchors_sat(self) -> int:
        """Anchors that nobody took."""
        txs = await self.transactions()
        spent = {(i.txid, i.vout) for tx in txs for i in tx.inputs}
        outputs = [((tx.txid, vout), o.value_sat) for tx in txs for vout, o in enumerate(tx.outputs)]
        return sum(value_sat for place, value_sat in outputs if value_sat == 330 and place not in spent)


async def confirmed_sat(node: Node) -> int:
    await node.wallet.sync()
    balance = await node.wallet.balance()
    return balance.confirmed_sat + balance.reserved_sat


async def offer(node: Node, peer: Node, number: int, amount_sat: int, cltv_expiry: int) -> int:
    """An HTLC that is irrevocably committed on both sides; its id."""
    payment_hash = sha256(preimage(number)).digest()
    channel = await driver_of(node).command(Add(1000 * amount_sat, payment_hash, cltv_expiry, ONION))
    identity = max(p.update.id for p in channel.log if p.update.proposer == channel.us and p.update.kind == "add")

    def settled() -> bool:
        return all(not driver_of(each).channel.log for each in (node, peer))

    await until(settled, f"HTLC {number}")
    return identity


async def know(node: Node, identity: int, number: int) -> None:
    """The node learns the preimage of an HTLC that it received."""
    await driver_of(node).command(Fulfill(identity, preimage(number)))


async def part(node: Node) -> None:
    """The node and its peer lose their connection."""
    await node.api.disconnect(driver_of(node).channel.peer.hex())
    await until(lambda: driver_of(node).channel.link == "down", "the end of the connection")


async def broadcast_commitment(network: Network, node: Node) -> Tx:
    """The node closes by force, before its peer knows; what then spends the funding in the mempool."""
    funding = driver_of(node).channel.fundings[0]
    if driver_of(node).channel.link != "down":
        await part(node)
    await node.api.close(driver_of(node).channel.id.hex(), True, None)
    return await until_asked(lambda: spender(network, funding.txid, funding.vout), "a commitment in the mempool")


def is_closed(node: Node) -> bool:
    return not node.channels.drivers or isinstance(driver_of(node).channel.phase, Closed)


async def pass_blocks(network: Network, count: int = 1, step: int = 1) -> None:
    """Blocks, and after each step the nodes have broadcast what they want next."""
    while count > 0:
        await network.mine(min(step, count))
        count -= step


async def full_blocks(network: Network, count: int = 1, *txs: Tx) -> None:
    """Blocks in which nothing that waits finds room; the first holds these transactions."""
    assert not isinstance(network.chain, RemoteChain), "it mines what waits"
    await network.chain.mine_only(tuple(tx.serialise() for tx in txs), count)
    await network.followed()


async def estimate(network: Network, feerate_per_kw: int) -> None:
    """What every node takes for the feerate from now on."""
    for node in network.nodes:
        assert isinstance(node.backend, ChainView | RegtestBitcoind)
        await node.backend.set_feerate(feerate_per_kw)


async def spender(network: Network, txid: bytes, vout: int) -> Tx | None:
    """What spends an output in the mempool."""
    output = await network.chain.output(Outpoint(txid, vout))
    if output is None or output.spent_by is None:
        return None
    found = await network.chain.transaction(output.spent_by)
    return parse(found.transaction) if found is not None else None


async def broadcasts(network: Network) -> None:
    """Returns once each node has tried to broadcast what it wants."""
    for node in network.nodes:
        for driver in list(node.channels.drivers.values()):
            await driver.settled()
        await node.watcher.sync()


async def finish(network: Network, *nodes: Node, blocks: int = 500) -> None:
    """Blocks go by until the channel is closed for good on every node."""
    for _ in range(0, blocks, 10):
        if all(is_closed(node) for node in nodes):
            return
        await pass_blocks(network, 10, 5)
    left = [driver_of(node).channel.phase for node in nodes if not is_closed(node)]
    assert not left, left
