"""What can happen to two channel machines in a schedule, before the chain settles it?

A schedule is a Start and a list of events, each (name, party, value). What a value means depends on the event; whatever
a party cannot do just then is refused, and has to change nothing.
"""

from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from lnpd.channel import actions, events
from lnpd.channel.opening import wanted_output
from lnpd.channel.reestablish import on_connected
from lnpd.channel.state import Closed, Failed, OnChain, Quiescence
from lnpd.channel.step import step
from lnpd.errors import CommandRefused
from lnpd.tx.funding import funding_output
from lnpd.wire.base import Message
from lnpd.wire.message import decode
from lnpd.wire.messages import ChannelReady, Error, OpenChannel, Warning
from tests.channel import harness
from tests.channel.harness import SCRIPTS, Node, Pair, add, confirm, funding_tx, preimage
from tests.channel.schedules.kinds import CARRIER_WEIGHT, TYPES, USUAL
from tests.channel.schedules.ledger import Fee, Htlc, Ledger, Move
from tests.channel.schedules.observed import Observed
from tests.channel.vault import NAME as VAULT
from tests.channel.vault import body

Event = tuple[str, int, int]
COUNTS: Counter[str] = Counter()

OVER = (Failed, OnChain, Closed)
HEIGHT, DEPTH, EXPIRY_HEIGHT = 500_100, 100, 600_000
# Around htlc_minimum_msat, the dust limits, these with a second stage's fee, and all that may be in flight.
AMOUNTS_MSAT = (1_000, 353_999, 354_000, 900_001, 1_016_999, 1_057_000, 2_500_500, 5_000_000, 40_000_003, 499_000_000)
FEERATES_PER_KW = (253, 500, 900, 1_000, 1_001, 2_500, 5_000, 10_000, 25_000)
BOXES_SAT = (1_000, 1_500, 20_000, 150_000)
ROUNDS = 60


class Start(NamedTuple):
    """Where a schedule begins: the channel's type, how far it is, and what its opener gave away."""

    kind: str = "anchors"
    fundings: int = 1
    push_msat: int = 300_000_000
    at: str = "normal"  # new, opening, normal
    slots: int = 30  # max_accepted_htlcs
    dust_sat: tuple[int, int] = (354, 600)  # the parties' dust limits


class World:
    """Two machines, the wire, and the ledger beside them."""

    def __init__(self, start: Start, providers: dict[str, Any] | None = None) -> None:
        capacity_msat = 1_000_000_000
        self.start = start
        usual = USUAL[start.kind]() if start.kind in USUAL else None
        balances = (capacity_msat - start.push_msat, start.push_msat)
        anchors, carrier_weight = "option_anchors" in TYPES[start.kind].features, CARRIER_WEIGHT.get(start.kind, 0)
        self.ledger = Ledger(1_000_000, balances, anchors, [Fee(1000, signed=True)], carrier_weight)
        self.pair = Pair(
            Observed(0, self.ledger, start.dust_sat[0], start.slots, usual),
            Observed(1, self.ledger, start.dust_sat[1], start.slots, providers or usual),
        )
        self.strange = False  # a message came out of step: only safety is promised from here on
        self.history: tuple[list[bytes], list[bytes]] = ([], [])  # what each side received
        self.numbers: dict[bytes, int] = {}
        self.count = 0
        self.checked = [0, 0]  # how many of the commitments that each side holds were compared
        if start.at == "normal":
            harness.opened(TYPES[start.kind], self.pair, push_msat=start.push_msat)
        elif start.at == "opening":
            harness.opening(TYPES[start.kind], self.pair, push_msat=start.push_msat)
        if start.fundings == 2:
            harness.with_second_funding(self.pair)

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.pair.nodes

    def over(self) -> bool:
        """Whether a side has left the channel to the chain."""
        return any(isinstance(node.channel.phase, OVER) for node in self.nodes)

    def apply(self, event: Event) -> None:
        """One event of a schedule."""
        name, party, value = event
        HAPPENS[name](self, party, value)
        COUNTS["events"] += 1

    def command(self, party: int, event: events.Event) -> bool:
        """A command; a refused one has to leave no trace."""
        node = self.nodes[party]
        before = node.channel, len(node.did)
        try:
            self.pair.command(party, event)  # type: ignore[arg-type]
        except CommandRefused:
            assert (node.channel, len(node.did)) == before, "a refused command left a trace"
            COUNTS["refused"] += 1
            return False
        return True

    # Opening

    def open(self, party: int, value: int) -> None:
        """An odd value: others fund it."""
        terms = {"push_msat": self.start.push_msat, "foreign": bool(value % 2)}
        self.command(0, harness.open_event(self.nodes[0], TYPES[self.start.kind], **terms))

    def accept(self, party: int, value: int) -> None:
        message = decode(self.nodes[0].sent.popleft())
        assert isinstance(message, OpenChannel)
        self.command(1, harness.accept_event(self.nodes[1], message, TYPES[self.start.kind]))

    def fund(self, party: int, value: int) -> None:
        self.command(0, events.FundingProvided(1, funding_tx(wanted_output(self.nodes[0].channel))))

    def name(self, party: int, value: int) -> None:
        self.command(0, events.FundingNamed(1, (funding_tx(wanted_output(self.nodes[0].channel)),)))

    def keep(self, party: int, value: int) -> None:
        kept = funding_tx(funding_output(self.nodes[party].channel.fundings[0]))
        self.command(party, events.KeepAncestors((kept,), (kept.txid,)))

    def cannot_fund(self, party: int, value: int) -> None:
        self.command(0, events.FundingFailed("The wallet is empty."))

    # Updates

    def offer(self, party: int, value: int) -> None:
        """An HTLC; one in five has the hash, amount and expiry of the one before."""
        ledger = self.ledger
        if value % 5 == 4 and ledger.htlcs[party]:
            htlc = Htlc(*_terms(ledger.htlcs[party][-1]))
        else:
            self.count += 1
            htlc = Htlc(AMOUNTS_MSAT[value % len(AMOUNTS_MSAT)], self.count, EXPIRY_HEIGHT + value % 3)
        command = add(htlc.number, htlc.amount_msat, htlc.cltv_expiry)
        self.numbers[sha256(preimage(htlc.number)).digest()] = htlc.number
        if self.command(party, command):
            ledger.offer(party, htlc)

    def decide(self, party: int, value: int, fulfil: bool, command: Callable[[int, Htlc], events.Event]) -> None:
        """One of the HTLCs that were told to this side, or else to the other; an unknown one is refused.

        Whoever decides may do so twice, for a crash made it forget: nothing happens then.
        """
        for each in (party, 1 - party):
            theirs = self.ledger.htlcs[1 - each]
            told = {r.id for r in self.nodes[each].told(actions.HtlcReceived)}
            undecided = [i for i, h in enumerate(theirs) if h.fulfilled is None and h.signed and i in told]
            if undecided:
                identity = undecided[value % len(undecided)]
                if self.command(each, command(identity, theirs[identity])):
                    theirs[identity].fulfilled = fulfil
                    before = self.nodes[each].channel
                    self.command(each, command(identity, theirs[identity]))
                    assert self.nodes[each].channel == before, "a second decision changed something"
                return
        assert not self.command(party, command(1000, Htlc(0, 0, 0))), "an HTLC that nobody offered was decided"

    def fulfil(self, party: int, value: int) -> None:
        self.decide(party, value, True, lambda i, htlc: events.Fulfill(i, preimage(htlc.number)))

    def fail(self, party: int, value: int) -> None:
        self.decide(party, value, False, lambda i, _: events.Fail(i, b"reason"))

    def malformed(self, party: int, value: int) -> None:
        self.decide(party, value, False, lambda i, _: events.FailMalformed(i, bytes(32), 0x8000 | 4))

    def fee(self, party: int, value: int) -> None:
        """Another feerate; now and then the acceptor tries, in vain."""
        party = party if value % 8 == 7 else 0
        feerate = FEERATES_PER_KW[value % len(FEERATES_PER_KW)]
        if self.command(party, events.SetFeerate(feerate)):
            self.ledger.fees.append(Fee(feerate))

    def put(self, party: int, value: int) -> None:
        """More into a side's box; in one of three cases both sides do it, and their updates cross."""
        for each in (0, 1) if value % 3 == 2 else (party,):
            self.move(each, "put", BOXES_SAT[value % len(BOXES_SAT)] + value)

    def take(self, party: int, value: int) -> None:
        self.from_box("take", party, value)

    def give(self, party: int, value: int) -> None:
        self.from_box("give", party, value)

    def from_box(self, verb: str, party: int, value: int) -> None:
        """A whole box or half of it, this side's or else the other's; while both are empty, one is filled."""
        held = self.ledger.boxes_sat()
        party = party if held[party] else 1 - party
        if held[party]:
            self.move(party, verb, held[party] if value % 3 else held[party] // 2)
        else:
            self.put(party, value)

    def move(self, party: int, verb: str, amount_sat: int) -> None:
        if self.command(party, events.Propose(VAULT, body(verb, amount_sat))):
            self.ledger.moves.append(Move(party, verb, amount_sat))

    def supply(self, party: int, value: int) -> None:
        self.command(party, harness.SUPPLIED)

    def commit(self, party: int, value: int) -> None:
        self.command(party, events.Commit())

    def quiesce(self, party: int, value: int) -> None:
        """One side asks for quiescence, or both at once."""
        for each in (0, 1) if value % 3 == 2 else (party,):
            self.command(each, events.Quiesce())

    def expire(self, party: int, value: int) -> None:
        """The 60 seconds of a quiescence are over."""
        self.command(party, events.QuiescenceExpired())

    def close(self, party: int, value: int) -> None:
        self.command(party, events.Close(SCRIPTS[party], value % 100, 50_000))

    # The wire

    def deliver(self, party: int, value: int) -> None:
        """One to four messages of this side arrive."""
        for _ in range(value % 4 + 1):
            if not self.nodes[party].sent:
                return
            self.history[1 - party].append(self.nodes[party].sent[0])
            self.pair.deliver(party)  # type: ignore[arg-type]
            COUNTS["messages"] += 1

    def dance(self, party: int, value: int) -> None:
        """Both sides commit if they can, and up to eight messages of each arrive, this side's first."""
        for each in (0, 1):
            self.commit(each, 0)
        for _ in range(value % 8 + 1):
            for each in (party, 1 - party):
                self.deliver(each, 0)

    def settle(self, party: int, value: int) -> None:
        """Deliver and commit until nothing moves."""
        for _ in range(ROUNDS):
            while self.nodes[0].sent or self.nodes[1].sent:
                self.deliver(0, 0)
                self.deliver(1, 0)
            for node in self.nodes:
                node.run(events.Commit())
            if not any(node.sent for node in self.nodes):
                return
        raise AssertionError("the two sides never come to rest")

    def cut(self, party: int, value: int) -> None:
        self.pair.cut()
        COUNTS["losses"] += 1

    def restart(self, party: int, value: int) -> None:
        """One side, or both, go on from what they stored."""
        for each in (0, 1) if value % 4 == 3 else (party,):
            self.nodes[each].restart()
        self.cut(party, value)

    def crash(self, party: int, value: int) -> None:
        """The power fails in the middle of a step: the message was never handled."""
        node, peer = self.nodes[party], self.nodes[1 - party]
        if peer.sent and not isinstance(node.channel.phase, OVER):
            message = decode(peer.sent[0])
            assert isinstance(message, Message)
            generator, reply = step(node.channel, message), None
            try:
                for _ in range(value % 8 + 1):
                    reply = node.answer(generator.send(reply))
            except StopIteration:
                pass
            generator.close()
        self.restart(party, 0)

    def reconnect(self, party: int, value: int) -> None:
        """A new connection; mostly both channel_reestablish arrive, sometimes with more, or only one of them."""
        if not self.pair.connected:
            self.pair.reconnect()
            COUNTS["reconnects"] += 1
            for each in (party, 1 - party)[: min(value % 8, 2)]:
                self.deliver(each, value // 8 % 3)

    # What should not happen, and what may

    def error(self, party: int, value: int) -> None:
        """This side receives an error."""
        self.strange = True
        self.inject(party, Error(channel_id=self.nodes[party].channel.id, data=b"no"))

    def warn(self, party: int, value: int) -> None:
        """This side receives a warning."""
        self.inject(party, Warning(channel_id=self.nodes[party].channel.id, data=b"careful"))

    def ready_again(self, party: int, value: int) -> None:
        """This side receives a redundant channel_ready."""
        channel = self.nodes[party].channel
        if not channel.live or not all(channel.ready) or channel.batch_missing:
            return
        point = self.nodes[1 - party].signer.point(1)
        self.inject(party, ChannelReady(channel_id=self.nodes[party].channel.id, second_per_commitment_point=point))

    def again(self, party: int, value: int) -> None:
        """This side receives a message that it has received before, out of step."""
        if self.history[party] and self.pair.connected:
            self.strange = True
            self.inject(party, decode(self.history[party][value % len(self.history[party])]))

    def greet(self, party: int, value: int) -> None:
        """This side receives a channel_reestablish from a peer that does not know that the channel is over."""
        self.strange = True
        node = self.nodes[1 - party]
        _, (send, *_) = harness.drive(on_connected(node.channel, events.Connected()), node.answer)
        self.inject(party, send.message)

    def inject(self, party: int, message: Any) -> None:
        self.nodes[party].run(message)
        self.pair._disconnects()

    def confirm(self, party: int, value: int) -> None:
        """The funding is three blocks deep for this side, with the transaction that pays it or (once) another."""
        if self.nodes[party].channel.fundings:
            confirm(self.pair, party)  # type: ignore[arg-type]

    def unconfirm(self, party: int, value: int) -> None:
        """A reorganisation takes the funding out of the chain. That it is broadcast again changes nothing here."""
        node = self.nodes[party]
        before = list(node.broadcast)
        txid = node.channel.fundings[0].txid if node.channel.fundings else bytes(32)
        self.command(party, events.TransactionUnconfirmed(txid))
        node.broadcast[:] = before

    def block(self, party: int, value: int) -> None:
        """A block long before any deadline."""
        self.command(party, events.Block(HEIGHT + value))

    def force(self, party: int, value: int) -> None:
        self.command(party, events.GiveUp("It is too late.") if value % 2 else events.ForceClose())

    def spend(self, party: int, value: int) -> None:
        """Both sides see what this one broadcast last, and then hear of it again; deep enough for good if it is odd."""
        tx, depth = self.nodes[party].broadcast[-1], DEPTH if value % 2 else 1
        for node in self.nodes:
            node.run(events.OutputSpent(tx.inputs[0].txid, tx.inputs[0].vout, tx, HEIGHT, depth))
            if isinstance(node.channel.phase, OnChain):
                node.run(events.SpendSeen(tx.inputs[0].txid, tx.inputs[0].vout, tx))

    # What a schedule ends with

    def finish(self) -> None:
        """Decide what is undecided and empty the boxes: nothing is pending any more."""
        for _ in range(ROUNDS):
            for party in (0, 1):
                if self.nodes[party].channel.funding_undone:
                    self.confirm(party, 0)
            self.calm()
            if self.over():
                return
            open_htlcs = [bool(self.ledger.live(party)) for party in (0, 1)]
            if not any(open_htlcs) and self.ledger.boxes_sat() == (0, 0):
                return
            for party in (0, 1):
                for _ in self.ledger.live(1 - party):
                    (self.fulfil if self.count % 2 else self.fail)(party, 0)
                if self.ledger.boxes_sat()[party]:
                    self.move(party, "take", self.ledger.boxes_sat()[party])
        raise AssertionError("HTLCs and boxes that nobody can get rid of")

    def calm(self) -> None:
        """Reconnect, end a quiescence, settle; until the connection stays and nothing is pending."""
        for _ in range(ROUNDS):
            self.reconnect(0, 0)
            self.settle(0, 0)
            if self.over():
                return
            for node in self.nodes:
                if node.channel.quiescence != Quiescence():
                    self.expire(node.us, 0)
            if self.pair.connected:
                return
        raise AssertionError("the connection never stays")


def _terms(htlc: Htlc) -> tuple[int, int, int]:
    return htlc.amount_msat, htlc.number, htlc.cltv_expiry


Happening = Callable[[World, int, int], None]
HAPPENS: dict[str, Happening] = {
    name: getattr(World, name)
    for name in (
        *("open", "accept", "fund", "name", "keep", "cannot_fund", "confirm", "unconfirm", "block"),
        *("offer", "fulfil", "fail", "malformed", "fee", "put", "take", "give", "supply"),
        *("commit", "quiesce", "expire"),
        *("deliver", "dance", "settle", "cut", "restart", "crash", "reconnect", "close", "force"),
        *("error", "warn", "ready_again", "again", "greet", "spend"),
    )
}
