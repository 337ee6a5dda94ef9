"""What does a channel machine let a peer do who does not keep to the rules? The pure layers alone, thousands of times.

Two machines with real signers tell a story of random events, from an opening, a channel in use, or one with vaults on.
One of the two is a liar: what it sends is mutated, held back, said again, or invented. No machine raises anything but a
broken rule or a refused command, no msat is made or lost, and the honest side pays for preimages only.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from random import Random
from typing import Any

from lnpd_sdk.types import Party

from lnpd.channel import actions, events
from lnpd.channel.state import Closed, Failed, OnChain
from lnpd.errors import CommandRefused, ProtocolError
from lnpd.providers.types import STATIC_REMOTEKEY
from lnpd.wire.base import Unknown
from lnpd.wire.catalogue import CORE
from lnpd.wire.message import decode
from lnpd.wire.messages import AcceptChannel, ChannelReestablish, OpenChannel
from tests.channel import harness
from tests.channel.harness import PLAIN, SCRIPTS, WITH_VAULT, Pair, accept_event, add, open_event, preimage
from tests.channel.schedules.signing import SigningNode
from tests.channel.vault import NAME as VAULT
from tests.channel.vault import body
from tests.fuzz.mutations import invented, mutated

CAPACITY_SAT = 1_000_000
START_MSAT = (700_000_000, 300_000_000)
EVENTS, ROUNDS = 60, 30
OVER = (Failed, OnChain, Closed)
TYPES = (PLAIN, STATIC_REMOTEKEY, WITH_VAULT)
# What a connection makes of these is not the channel's: the driver turns open_channel into Accept.
NOT_FOR_CHANNELS = ("init", "error", "warning", "ping", "pong", "open_channel")
ROWS = tuple(row for row in CORE.numbers.values() if row.name not in NOT_FOR_CHANNELS)
COUNTS: Counter[str] = Counter()


class Story:
    """A pair of which `liar` lies."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.liar: Party = 1 if chance.randrange(2) else 0
        self.type = chance.choice(TYPES)
        self.pair = Pair(SigningNode(0), SigningNode(1))
        self.said: list[bytes] = []
        self.offers: dict[bytes, int] = {}  # amounts by payment hash, each of them once
        self.moved_msat = [0, 0]
        self.told: list[str] = []

    def tell(self) -> None:
        """From the beginning to the end. Raises whatever a machine should never have let out."""
        if self.chance.randrange(4):
            harness.opened(self.type, self.pair)
            self.said.clear()
        else:
            self.opening()
        for _ in range(EVENTS):
            happening = self.chance.choice(HAPPENINGS)
            self.told.append(happening.__name__)
            happening(self)
            self.check()
            if any(isinstance(node.channel.phase, OVER) for node in self.pair.nodes):
                return

    def opening(self) -> None:
        """An opening, in which the liar may lie already."""
        self.command(0, open_event(self.pair.nodes[0], self.type))
        for message in self.lies(self.pair.nodes[0].sent.popleft(), 0):
            if isinstance(message, OpenChannel):
                with suppress(ProtocolError):
                    self.command(1, accept_event(self.pair.nodes[1], message, self.type))
                break
        self.deliver(1)
        wanted = self.pair.nodes[0].told(actions.FundingWanted)
        if wanted:
            self.command(0, events.FundingProvided(1, harness.funding_tx(wanted[0].output)))

    def command(self, party: int, event: events.Event) -> bool:
        """A command, or what its refusal leaves."""
        try:
            self.pair.command(party, event)  # type: ignore[arg-type]
        except CommandRefused:
            return False
        return True

    def lies(self, data: bytes, party: int) -> list[Any]:
        """What arrives instead of what a side sent; nothing more after what is no message, for that ends the link."""
        sent: tuple[bytes, ...] = (data,)
        if party == self.liar:
            self.said.append(data)
            if self.chance.randrange(10) == 0:
                sent = mutated(self.chance, data)
                COUNTS["slips"] += 1
        return self.decoded(sent)

    def decoded(self, sent: tuple[bytes, ...]) -> list[Any]:
        """The messages, up to the first that is none."""
        messages = []
        for each in sent:
            try:
                messages.append(decode(each))
            except ProtocolError:
                self.pair.cut()
                break
        return messages

    def deliver(self, party: int) -> None:
        """The oldest message of a side, or what the liar made of it."""
        if self.pair.nodes[party].sent:
            for message in self.lies(self.pair.nodes[party].sent.popleft(), party):
                self.receive(1 - party, message)

    def receive(self, party: int, message: Any) -> None:
        """A message arrives, as the service hands it to a channel."""
        node = self.pair.nodes[party]
        if isinstance(message, Unknown) or message.NAME in NOT_FOR_CHANNELS:
            return
        if getattr(message, "channel_id", node.channel.id) != node.channel.id and not isinstance(
            message, AcceptChannel
        ):
            return
        COUNTS["messages"] += 1
        if isinstance(message, ChannelReestablish) and node.channel.unproven:
            node.run(events.PeerPosition(message))
        node.run(message)
        self.pair._disconnects()

    def check(self) -> None:
        """No msat is made or lost, and what the honest side gave it was shown a preimage for, or moved itself."""
        for node in self.pair.nodes:
            channel = node.channel
            if not channel.fundings:
                continue
            balances = channel.base.balances_msat
            assert sum(balances) == 1000 * channel.capacity_sat and min(balances) >= 0, balances
            if node.us != self.liar and channel.capacity_sat == CAPACITY_SAT:
                paid = {sha256(told.preimage).digest() for told in node.told(actions.HtlcFulfilled)}
                assert paid <= set(self.offers), "an HTLC was paid without its preimage"
                paid_msat = sum(self.offers[payment_hash] for payment_hash in paid)
                lost_msat = START_MSAT[node.us] - balances[node.us] - paid_msat - self.moved_msat[node.us]
                assert lost_msat <= 0, f"the honest side lost {lost_msat} msat"
        COUNTS["checks"] += 1


# What happens


def offer(story: Story) -> None:
    amount_msat = story.chance.choice((1_000, 353_999, 2_500_500, 40_000_003))
    event = add(len(story.offers), amount_msat)
    story.offers[event.payment_hash] = amount_msat
    story.command(story.chance.randrange(2), event)


def decide(story: Story) -> None:
    party = story.chance.randrange(2)
    received = story.pair.nodes[party].told(actions.HtlcReceived)
    if received:
        htlc = story.chance.choice(received)
        known = [preimage(n) for n in range(len(story.offers)) if sha256(preimage(n)).digest() == htlc.payment_hash]
        fails = (events.Fail(htlc.id, b"reason"), events.FailMalformed(htlc.id, bytes(32), 0x8000 | 4))
        fulfills = known and story.chance.randrange(4)
        story.command(party, events.Fulfill(htlc.id, *known) if fulfills else story.chance.choice(fails))


def fee(story: Story) -> None:
    story.command(0, events.SetFeerate(story.chance.choice((253, 900, 1_000, 5_000))))


def move(story: Story) -> None:
    party, amount_sat = story.chance.randrange(2), story.chance.choice((1_000, 20_000))
    verb = story.chance.choice(("put", "take", "give"))
    if story.command(party, events.Propose(VAULT, body(verb, amount_sat))):
        story.moved_msat[party] += 1000 * amount_sat


def commit(story: Story) -> None:
    story.command(story.chance.randrange(2), events.Commit())


def deliver(story: Story) -> None:
    party = story.chance.randrange(2)
    for _ in range(story.chance.randint(1, 4)):
        story.deliver(party)


def settle(story: Story) -> None:
    """Deliver and commit until nothing moves."""
    for _ in range(ROUNDS):
        while story.pair.nodes[0].sent or story.pair.nodes[1].sent:
            story.deliver(0)
            story.deliver(1)
        for party in (0, 1):
            story.command(party, events.Commit())
        if not any(node.sent for node in story.pair.nodes):
            return


def quiesce(story: Story) -> None:
    story.command(story.chance.randrange(2), events.Quiesce())


def expire(story: Story) -> None:
    story.command(story.chance.randrange(2), events.QuiescenceExpired())


def close(story: Story) -> None:
    if story.chance.randrange(4) == 0:
        party = story.chance.randrange(2)
        story.command(party, events.Close(SCRIPTS[party], 500, 50_000))


def confirm(story: Story) -> None:
    party = story.chance.randrange(2)
    if story.pair.nodes[party].channel.fundings and story.pair.nodes[party].channel.capacity_sat == CAPACITY_SAT:
        harness.confirm(story.pair, party)  # type: ignore[arg-type]


def cut(story: Story) -> None:
    story.pair.cut()


def restart(story: Story) -> None:
    story.pair.restart(story.chance.randrange(2))  # type: ignore[arg-type]


def reconnect(story: Story) -> None:
    if not story.pair.connected:
        story.pair.reconnect()
        for party in (0, 1):
            story.deliver(party)


def invent(story: Story) -> None:
    """The liar says what nobody would, or what it said before."""
    channel_id = story.pair.nodes[1 - story.liar].channel.id
    old = story.said and story.chance.randrange(2)
    data = story.chance.choice(story.said) if old else invented(story.chance, story.chance.choice(ROWS), (channel_id,))
    if story.pair.connected:
        for message in story.decoded((data,)):
            story.receive(1 - story.liar, message)


Happening = Callable[[Story], None]
HAPPENINGS: tuple[Happening, ...] = (
    *(offer, offer, offer, offer, decide, decide, decide, decide, decide, decide, decide, decide),
    *(settle, settle, settle, settle, settle, settle, deliver, deliver, commit, fee, move, confirm),
    *(reconnect, reconnect, reconnect, reconnect, cut, restart, quiesce, expire, expire, close, invent),
)


def told(chance: Random) -> None:
    """One story; its events are added to what it raises."""
    story = Story(chance)
    try:
        story.tell()
    except Exception as error:
        error.add_note(f"the liar is party {story.liar}, the type {story.type}: {', '.join(story.told)}")
        raise


def main(seconds: float, seed: str) -> int:
    """Stories from seeds, for so long."""
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        try:
            told(Random(f"{seed} {number}"))
        except Exception as error:
            error.add_note(f"the story of seed {seed!r} {number}")
            raise
        number += 1
    print(f"{number} stories of liars, seeds {seed!r} 0 to {number - 1}: {dict(COUNTS)}, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2]))
