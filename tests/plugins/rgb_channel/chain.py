"""Where did each token of a channel end on the chain, counted from nothing but the chain and what a node has kept?"""

from collections import Counter
from typing import Any

from lnpd_sdk.hooks import InitialStates
from lnpd_sdk.manifest import Filter
from lnpd_sdk.plugin import Node as Host
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.services.kept import KeptCommitment
from lnpd_sdk.types import PerParty, Transaction

from lnpd.channel.state import Channel
from lnpd.services.node.node import Node
from lnpd.testing import Network
from lnpd.testing.onchain import transactions
from lnpd.tx.script import data_carrier
from lnpd.tx.transaction import Tx
from nia.genesis import ChainNet
from nia.history import History, check
from rgb_channel.colour import NO_TOKENS, Coloured, colour, commitment_of
from rgb_channel.history import Step, extended
from rgb_channel.provider import CHANNEL_TYPE, Rgb
from rgb_channel.records import ROWS, TOKENS_HTLC, encode_tokens
from rgb_channel.state import State, read
from tests.plugins.rgb_channel.ledger import beginning

KIND = CHANNEL_TYPE.name
HOOKS = ("initial_states", "outgoing_records")
GRANTED: dict[str, Any] = {"grants": (("rgb", "messages"), *(("rgb", f"hook:{name}") for name in HOOKS))}
SETTLED: PerParty = (5_000, 700)


class Holder:
    """A plugin in one node's process with the provider in it: every channel begins with an asset made for it, and each
    HTLC that the node offers carries `tokens`."""

    def __init__(self) -> None:
        self.tokens = 0
        self.plugin = Plugin("rgb", "1", capabilities=("messages",))
        self.plugin.channel_type(CHANNEL_TYPE)
        self.plugin.provider(Rgb)
        self.plugin.records(ROWS)
        self.plugin.hook("initial_states")(self.begin)
        self.plugin.hook("outgoing_records", Filter("name", one_of=("update_add_htlc",)))(self.carry)

    async def begin(self, node: Host, funding_txid: str, funding_vout: int) -> object:
        state = beginning(SETTLED, bytes.fromhex(funding_txid)[::-1], funding_vout)[1]
        return InitialStates({"rgb": state.hex()})

    async def carry(self, node: Host) -> object:
        return {str(TOKENS_HTLC): encode_tokens(self.tokens).hex()} if self.tokens else None

    async def kept(self, channel: Channel, txid: bytes) -> KeptCommitment:
        assert self.plugin.node is not None
        return await self.plugin.node.kept_commitment(channel.id.hex(), txid[::-1].hex())


class Count:
    """The transactions of one channel, from the one that spent its funding down."""

    def __init__(self, kept: KeptCommitment, txs: list[Tx]) -> None:
        self.view, self.kept = kept.view, kept
        self.spent_by = {(i.txid, i.vout): tx for tx in txs for i in tx.inputs}
        self.steps: list[Step] = []
        self.purposes: Counter[str] = Counter()
        self.fees_paid_by_others = 0

    @property
    def state(self) -> State:
        found = read(self.kept.state)
        assert found is not None
        return found

    def walk(self, tx: Tx, shown: Transaction) -> None:
        """A transaction, whose carrier says what is worked out here again, and all that spends of it."""
        said = commitment_of(self.view, self.state, shown)
        assert tx.outputs[0].script_pubkey == data_carrier(said), shown.purpose
        self.fees_paid_by_others += len(tx.inputs) > 1
        coloured: Coloured | None = colour(self.view, self.state, shown)
        self.purposes[shown.purpose if coloured else f"plain {shown.purpose}"] += 1
        if coloured is not None:
            self.steps.append((tx.serialise(), coloured))
        if shown.purpose in ("commitment", "second_stage"):
            for vout in range(len(tx.outputs)):
                if below := self.spent_by.get((tx.txid, vout)):
                    self.walk(below, self.meant(below, shown, vout))

    def meant(self, tx: Tx, parent: Transaction, vout: int) -> Transaction:
        """As which transaction it was shown to `seal`: the only one that says what it says, or one of
        the claims without tokens."""
        known = [
            each
            for each in (*self.kept.children, *self.kept.claims)
            if each.parent is not None
            and (each.vout, each.parent.purpose, each.parent.vout) == (vout, parent.purpose, parent.vout)
        ]
        found, *others = [
            each
            for each in known
            if data_carrier(commitment_of(self.view, self.state, each)) == tx.outputs[0].script_pubkey
        ]
        assert not others or tx.outputs[0].script_pubkey == data_carrier(NO_TOKENS)
        return found

    def judged(self) -> History:
        """What RGB's own rules say of all of it."""
        funding = beginning(SETTLED, self.view.funding_txid, self.view.funding_vout)[0]
        history = check(extended(funding, self.steps), ChainNet.REGTEST)
        assert sum(each.amount for each in history.allocations) == sum(SETTLED), "none is lost, none is made"
        for each in history.allocations:
            assert (each.txid, each.assignment.seal.vout) not in self.spent_by, "none is burnt"  # type: ignore[union-attr]  # open
        return history


async def counted(network: Network, holder: Holder, channel: Channel, *nodes: Node) -> tuple[PerParty, Counter[str]]:
    """How many tokens are in whose wallet at last, and which transactions there were."""
    funding = channel.fundings[0]
    txs = await transactions(network, 0)
    closing = next(tx for tx in txs if (funding.txid, funding.vout) in [(i.txid, i.vout) for i in tx.inputs])
    kept = await holder.kept(channel, closing.txid)
    count = Count(kept, txs)
    count.walk(closing, kept.sealed)
    owned = [0 for _ in nodes]
    outputs = {(tx.txid, vout): output for tx in txs for vout, output in enumerate(tx.outputs)}
    for each in count.judged().allocations:
        output = outputs[each.txid, each.assignment.seal.vout]  # type: ignore[index, union-attr]  # open
        (owner,) = [n for n, node in enumerate(nodes) if node.wallet.scripts.path(output.script_pubkey) is not None]
        owned[owner] += each.amount
    if count.fees_paid_by_others:
        count.purposes["with coins of the wallet"] = count.fees_paid_by_others
    return (owned[0], owned[1]), count.purposes
