"""Two channel machines, driven synchronously: what a schedule of events does to both, without loop, mock or clock.

    pair = opened()                         # a channel in Normal, both sides
    pair.command(0, add(...))               # an event for one side; what it sends is queued
    pair.deliver(0)                         # the oldest message that side 0 sent reaches side 1
    pair.settle()                           # deliver and commit until nothing moves
    pair.cut(); pair.reconnect()            # queued messages are lost; channel_reestablish both ways
    pair.restart(0)                         # side 0 goes on from its stored bytes

Messages travel as bytes; snapshots are stored as bytes after each step and read back for the next one; every signature
is real and verified. What a step wants is stored before it is done, as a daemon would.
"""

from collections import deque
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
from lnpd_sdk.types import Party, Provider, Reject, other
from msgspec.structs import replace

from lnpd.channel import actions, commitments, events, queries
from lnpd.channel.beginning import InitialStates, States
from lnpd.channel.failure import failed
from lnpd.channel.foresight import AskAhead
from lnpd.channel.reestablish import restored
from lnpd.channel.state import Channel, Normal, Policy, new_channel
from lnpd.channel.step import step
from lnpd.crypto.secp import public_key
from lnpd.errors import ProtocolError
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, CORE_PROVIDERS, pin, with_extensions
from lnpd.tx.funding import funding_output, make_funding
from lnpd.tx.graph import ChannelType
from lnpd.tx.states import BASE, BaseState, encode_state
from lnpd.tx.transaction import Tx, TxIn, TxOut
from lnpd.wire.base import Message
from lnpd.wire.message import from_row, to_row
from lnpd.wire.messages import ChannelReestablish, Extension, OpenChannel
from tests.channel.signer import SoftSigner, with_signatures
from tests.channel.vault import NAME as VAULT
from tests.channel.vault import GatedVault, Vault

CHAIN = bytes(32)
TEMPORARY_ID = b"\x07" * 32
SCRIPTS = tuple(b"\x00\x14" + bytes([n]) * 20 for n in (1, 2))
PLAIN = ANCHORS_ZERO_FEE_HTLC_TX
WITH_VAULT = with_extensions(PLAIN, (pin(Vault.spec, 1),))
WITH_GATE = with_extensions(PLAIN, (pin(GatedVault.spec, 1),))
Providers = dict[str, Provider]
PROVIDERS: Providers = {**CORE_PROVIDERS, VAULT: Vault()}
SOLD = b"\x5a" * 32  # the adaptor's secret that opens the opener's box
GATED: Providers = {**CORE_PROVIDERS, VAULT: GatedVault(sold=SOLD)}
SUPPLIED = events.PutWitness(VAULT, f"adaptor:{public_key(SOLD).hex()}", SOLD)
POLICY = Policy(min_funding_sat=1000)

_snapshot_encoder = msgspec.msgpack.Encoder()
_snapshot_decoder = msgspec.msgpack.Decoder(Channel)
_kept_decoder = msgspec.msgpack.Decoder(queries.Kept)


def drive(generator: Any, answer: Callable[[Any], Any]) -> Any:
    """Run a generator of questions to its result."""
    reply = None
    try:
        while True:
            reply = answer(generator.send(reply))
    except StopIteration as finished:
        return finished.value


class Node:
    """One side: its stored bytes, its signer, and what it did."""

    def __init__(
        self, us: Party, policy: Policy = POLICY, providers: Providers | None = None, signer: SoftSigner | None = None
    ) -> None:
        self.us = us
        self.signer = signer or SoftSigner(f"party {us}")
        self.providers = PROVIDERS if providers is None else providers
        self.rows: dict[tuple[str, str], bytes] = {}
        self.by_txid: dict[bytes, tuple[str, str]] = {}
        self.ids_in_use: set[bytes] = set()
        self.sent: deque[bytes] = deque()
        self.did: list[actions.Action] = []
        self.broadcast: list[Tx] = []
        self.errors: list[ProtocolError] = []
        self.disconnect = False
        self.folds = queries.FoldMemory()
        self.begins: Callable[[InitialStates], States | Reject] = lambda query: ()
        self.stored = b""
        policy = replace(policy, sweep_script=SCRIPTS[us])
        self.store(new_channel(f"channel {us}", bytes(33), us, policy, TEMPORARY_ID))

    # What a driver does

    @property
    def channel(self) -> Channel:
        return self._channel

    def store(self, channel: Channel) -> None:
        self._channel = channel
        self.stored = _snapshot_encoder.encode(channel)

    def restart(self) -> None:
        """Go on from the stored bytes."""
        assert _snapshot_decoder.decode(self.stored) == self._channel
        self.store(restored(self._channel))
        self.run(events.Disconnected())

    def run(self, event: events.Event | Message) -> list[actions.Action]:
        """One event: step, store, act. A broken rule becomes a warning or an error, as in a daemon."""
        try:
            channel, wanted = drive(step(self.channel, event), self.answer)
        except ProtocolError as error:
            self.errors.append(error)
            channel, wanted = drive(failed(self.channel, error), self.answer)
        for action in wanted:
            if isinstance(action, actions.Keep):
                self.rows[action.kind, action.key] = action.value
                if action.txid:
                    self.by_txid[action.txid] = (action.kind, action.key)
        self.store(channel)
        for action in wanted:
            self.act(action)
        return list(wanted)

    def answer(self, query: Any) -> Any:
        """Any query."""
        if isinstance(query, queries.ProviderQuery):
            return drive(query.calls(self.folds), self.call)
        match query:
            case queries.CommitmentPoint():
                return self.signer.point(query.number)
            case queries.IsOurSecret():
                return self.signer.is_ours(query.number, query.secret)
            case queries.CheckSignatures():
                return self.signer.hold(self.us, query.graph, query.signatures)
            case InitialStates():
                return self.begins(query)
            case queries.AllowDestination() | AskAhead():
                return None
            case queries.SoldSecret():
                return self.signer.sold(query.graph, query.child, query.signatures)
            case queries.FindCommitment():
                return self.kept(query.key)
            case queries.FindCommitmentByTxid():
                kind, key = self.by_txid.get(query.txid, ("", ""))
                return self.kept(key) if kind == "commitment" else None
            case queries.FindMutualClose():
                return self.by_txid.get(query.txid, ("", ""))[0] == "closing"
            case queries.FindRow():
                return self.rows.get((query.kind, query.key))
            case queries.ClaimId():
                return query.channel_id not in self.ids_in_use
            case queries.Secure():
                for action in query.actions:
                    self.act(action)
                return None
        raise AssertionError(query)

    def call(self, call: Any) -> Any:
        """A provider's answer."""
        return getattr(self.providers[call.provider], call.method)(*call.arguments)

    def kept(self, key: str) -> queries.Kept | None:
        row = self.rows.get(("commitment", key))
        return _kept_decoder.decode(row) if row else None

    def act(self, action: actions.Action) -> None:
        self.did.append(action)
        match action:
            case actions.Send():
                self.sent.append(to_row(self.filled(action)))  # no rows of plugins are there
            case actions.Disconnect():
                self.disconnect = True
            case actions.Broadcast():
                self.broadcast.append(self.completed(action))

    def filled(self, send: actions.Send) -> Message:
        """The message with what the signer puts into it."""
        message: Any = send.message
        for fill in send.fill:
            match fill:
                case actions.SignCommitment(txid, number) | actions.SignAuxiliary(txid, number):
                    kept = self.kept(queries.commitment_key(txid, other(self.us), number))
                    assert kept is not None
                    message = with_signatures(message, fill, kept.graph, self.signer.sign(kept.graph))
                case actions.ReleaseSecret(number):
                    secret = self.signer.release(number, self.channel.fundings)
                    message = replace(message, per_commitment_secret=secret)
                case actions.SignClosing(funding, tx):
                    message = replace(message, signature=self.signer.sign_closing(funding, tx))
        return message  # type: ignore[no-any-return]

    def completed(self, broadcast: actions.Broadcast) -> Tx:
        """The transaction with its witness."""
        tx = broadcast.transaction
        for fill in broadcast.fill:
            match fill:
                case actions.SignBroadcast(txid, number):
                    kept = self.kept(queries.commitment_key(txid, self.us, number))
                    assert kept is not None and kept.signatures is not None
                    tx = self.signer.broadcast(kept.graph, kept.signatures)
                case actions.CompleteClosing(signing, theirs):
                    tx = self.signer.close(self.us, signing.funding, signing.transaction, theirs)
        return tx

    # What a test asks

    def told(self, kind: type) -> list[Any]:
        """What was told to other parts of the node, of one class."""
        return [a.message for a in self.did if isinstance(a, actions.Tell) and isinstance(a.message, kind)]

    def latest(self) -> queries.Kept:
        """Our latest commitment on the first funding."""
        channel = self.channel
        kept = self.kept(queries.commitment_key(channel.fundings[0].txid, self.us, channel.numbers[self.us]))
        assert kept is not None
        return kept


class Pair:
    """Two nodes and the wire between them. Party 0 opens."""

    def __init__(self, *nodes: Node) -> None:
        self.nodes = nodes or (Node(0), Node(1))
        self.delivered = 0
        self.connected = True

    def command(self, party: Party, event: events.Event) -> list[actions.Action]:
        """An event for one side; a Disconnect that it asks for happens at once."""
        wanted = self.nodes[party].run(event)
        self._disconnects()
        return wanted

    def deliver(self, party: Party) -> bool:
        """Bring the oldest message of this side to the other; False if there is none."""
        if not self.nodes[party].sent:
            return False
        message, node = from_row(self.nodes[party].sent.popleft()), self.nodes[other(party)]
        self.delivered += 1
        if isinstance(message, ChannelReestablish) and node.channel.unproven:
            node.run(events.PeerPosition(message))
        node.run(message)  # type: ignore[arg-type]
        self._disconnects()
        return True

    def settle(self, limit: int = 200) -> None:
        """Deliver and commit, alternating, until nothing moves."""
        for _ in range(limit):
            moved = [self.deliver(party) for party in (0, 1)]  # type: ignore[arg-type]
            if not any(moved):
                for node in self.nodes:
                    node.run(events.Commit())
                if not any(node.sent for node in self.nodes):
                    return
        raise AssertionError("the two sides never come to rest")

    def cut(self) -> None:
        """Lose the connection and all that is under way."""
        self.connected = False
        for node in self.nodes:
            node.sent.clear()
            node.disconnect = False
            node.run(events.Disconnected())

    def reconnect(self) -> None:
        """A new connection; both send channel_reestablish, which is not delivered yet."""
        self.connected = True
        for node in self.nodes:
            node.run(events.Connected())

    def restart(self, party: Party) -> None:
        """One side starts again from its stored bytes; the connection is lost with it."""
        self.nodes[party].restart()
        self.cut()

    def _disconnects(self) -> None:
        if any(node.disconnect for node in self.nodes):
            self.cut()

    def check(self) -> None:
        """What is true whenever nothing is under way: both sides agree on every commitment and on every msat."""
        a, b = (node.channel for node in self.nodes)
        assert a.numbers == b.numbers
        assert a.base == b.base
        assert sorted((p.update.proposer, p.update.id, p.stage) for p in a.log) == sorted(
            (p.update.proposer, p.update.id, p.stage) for p in b.log
        )
        for node in self.nodes:
            held = node.latest()
            key = queries.commitment_key(held.graph.funding.txid, node.us, held.graph.number)
            theirs = self.nodes[other(node.us)].kept(key)
            assert theirs is not None and theirs.graph == held.graph
            assert sum(held.graph.balances_msat) == 1000 * a.capacity_sat


def with_second_funding(pair: Pair) -> Pair:
    """The same channel with another, unconfirmed funding of the same size beside the first, as a splice makes one."""
    keys = pair.nodes[0].channel.fundings[0].funding_keys
    capacity_sat = pair.nodes[0].channel.capacity_sat
    second = make_funding(b"\x33" * 32, 0, capacity_sat, keys)
    numbers = pair.nodes[0].channel.numbers
    for node in pair.nodes:
        node.store(replace(node.channel, fundings=(*node.channel.fundings, second)))
    for holder in pair.nodes:
        channel, number = holder.channel, numbers[holder.us]
        folds = queries.Folds(channel.base.states, channel.base.balances_msat)
        building = commitments.build(channel, second, holder.us, number, holder.signer.point(number), folds)
        graph = drive(building, holder.answer)
        signatures = (peer := pair.nodes[other(holder.us)]).signer.sign(graph)
        assert holder.signer.hold(holder.us, graph, signatures) == ""
        for node, row in ((holder, commitments.keep(graph, signatures)), (peer, commitments.keep(graph))):
            node.rows[row.kind, row.key] = row.value
            node.by_txid[row.txid] = (row.kind, row.key)
            node.store(node.channel)
    return pair


# Events


def preimage(number: int) -> bytes:
    return sha256(number.to_bytes(8, "big")).digest()


def add(number: int, amount_msat: int = 5_000_000, cltv_expiry: int = 600_000) -> events.Add:
    """An HTLC whose preimage is `preimage(number)`."""
    payment_hash = sha256(preimage(number)).digest()
    onion = number.to_bytes(2, "big") * 683
    return events.Add(amount_msat, payment_hash, cltv_expiry, onion, reference=str(number))


def open_event(node: Node, channel_type: ChannelType = PLAIN, **changes: Any) -> events.Open:
    """Our Open command."""
    extensions = (p for p in channel_type.providers if p.name not in CORE_PROVIDERS)
    values: dict[str, Any] = {
        "chain_hash": CHAIN,
        "capacity_sat": 1_000_000,
        "push_msat": 300_000_000,
        "feerate_per_kw": 1000,
        "announce": False,
        "channel_type": channel_type,
        "type_bits": b"\x40\x10\x00",
        "extensions": tuple(Extension(name=p.name, format=p.format) for p in extensions),
        "initial_states": initial_states(channel_type, changes.get("feerate_per_kw", 1000)),
        "terms": node.signer.terms(),
    }
    return events.Open(**{**values, **changes})


def accept_event(node: Node, message: Any, channel_type: ChannelType | None = PLAIN, **changes: Any) -> events.Accept:
    """What a driver makes of an open_channel."""
    states = initial_states(channel_type, message.feerate_per_kw)
    return replace(events.Accept(message, CHAIN, channel_type, states, node.signer.terms(), 3), **changes)


def initial_states(channel_type: ChannelType | None, feerate_per_kw: int) -> tuple[tuple[str, bytes], ...]:
    if channel_type is None:
        return ()
    base = encode_state(BaseState(feerate_per_kw))
    return tuple((p.name, base if p.name == BASE else b"") for p in channel_type.providers)


def funding_tx(output: TxOut) -> Tx:
    """A transaction that pays an output, with another before it."""
    return Tx((TxIn(b"\x05" * 32, 0),), (TxOut(1, b"\x51"), output))


def opening(channel_type: ChannelType = PLAIN, pair: Pair | None = None, **changes: Any) -> Pair:
    """A channel whose funding is broadcast and not deep yet."""
    pair = pair or Pair()
    opener, acceptor = pair.nodes
    pair.command(0, open_event(opener, channel_type, **changes))
    message = from_row(opener.sent.popleft())
    assert isinstance(message, OpenChannel)
    pair.command(1, accept_event(acceptor, message, channel_type))
    pair.deliver(1)
    pair.command(0, events.FundingProvided(1, funding_tx(opener.told(actions.FundingWanted)[-1].output)))
    pair.deliver(0)
    pair.deliver(1)
    return pair


def confirm(pair: Pair, party: Party, depth: int = 3) -> None:
    """The funding is deep, for one side."""
    channel = pair.nodes[party].channel
    tx = funding_tx(funding_output(channel.fundings[0]))
    pair.command(party, events.TransactionConfirmed(tx, height=500_000, index=4, depth=depth))


def opened(channel_type: ChannelType = PLAIN, pair: Pair | None = None, **changes: Any) -> Pair:
    """A channel in Normal on both sides."""
    pair = opening(channel_type, pair, **changes)
    confirm(pair, 0)
    confirm(pair, 1)
    pair.settle()
    assert all(isinstance(node.channel.phase, Normal) for node in pair.nodes), [n.errors for n in pair.nodes]
    return pair
