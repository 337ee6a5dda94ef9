"""Does a channel live through everything, wherever the connection is cut?"""

from collections.abc import Callable

import pytest
from lnpd_sdk.types import Party
from msgspec.structs import replace

from lnpd.channel import actions, events
from lnpd.channel.state import Negotiating, Normal
from lnpd.providers.types import STATIC_REMOTEKEY
from lnpd.tx.graph import ChannelType
from lnpd.tx.states import feerate_of, htlcs_of
from tests.channel.harness import PLAIN, SCRIPTS, WITH_VAULT, Pair, add, opened, preimage
from tests.channel.vault import NAME, body, boxes

TYPES = {"static_remotekey": STATIC_REMOTEKEY, "anchors": PLAIN, "anchors with an extension": WITH_VAULT}


@pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)
def test_opening_gives_both_sides_the_same_commitments(channel_type: ChannelType) -> None:
    pair = opened(channel_type)
    pair.check()
    opener, acceptor = pair.nodes
    assert opener.channel.base.balances_msat == (700_000_000, 300_000_000)
    assert opener.channel.short_channel_id == (500_000).to_bytes(3, "big") + (4).to_bytes(3, "big") + b"\0\x01"
    assert [tx.txid for tx in opener.broadcast] == [opener.channel.fundings[0].txid]
    assert acceptor.broadcast == []


def test_an_htlc_keeps_an_even_record_that_a_plugin_of_the_connection_knew() -> None:
    """It is stored without the plugin's rows: the plugin may be gone when the HTLC is irrevocable."""
    pair = opened()
    pair.command(0, replace(add(1), tlvs=((65538, b"\1"),)))
    pair.settle()
    (told,) = pair.nodes[1].told(actions.HtlcReceived)
    assert told.tlvs == ((65538, b"\1"),)


def test_payments_both_ways_move_balances() -> None:
    pair = opened()
    pair.command(0, add(1, 5_000_000))
    pair.command(1, add(2, 3_000_000))
    pair.settle()
    pair.check()
    received = [node.told(actions.HtlcReceived) for node in pair.nodes]
    assert [(r.id, r.amount_msat, r.onion[:2]) for r in received[1]] == [(0, 5_000_000, b"\0\1")]
    assert [(r.id, r.amount_msat, r.onion[:2]) for r in received[0]] == [(0, 3_000_000, b"\0\2")]
    pair.command(1, events.Fulfill(0, preimage(1)))
    pair.command(0, events.Fulfill(0, preimage(2)))
    pair.settle()
    pair.check()
    assert pair.nodes[0].channel.base.balances_msat == (698_000_000, 302_000_000)
    assert [f.preimage for f in pair.nodes[0].told(actions.HtlcFulfilled)] == [preimage(1)]
    assert pair.nodes[0].channel.log == () and pair.nodes[1].channel.decisions == ()


def test_failures_return_the_money_and_the_reason() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.command(0, add(2))
    pair.settle()
    pair.command(1, events.Fail(0, b"reason"))
    pair.command(1, events.FailMalformed(1, b"\x09" * 32, 0xC005))
    pair.settle()
    pair.check()
    failed = pair.nodes[0].told(actions.HtlcFailed)
    assert [(f.id, f.reason, f.failure_code, f.sha256_of_onion) for f in failed] == [
        (0, b"reason", 0, b""),
        (1, b"", 0xC005, b"\x09" * 32),
    ]
    assert pair.nodes[0].channel.base.balances_msat == (700_000_000, 300_000_000)


def test_a_preimage_is_told_on_arrival() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.settle()
    pair.command(1, events.Fulfill(0, preimage(1)))
    pair.deliver(1)
    assert [f.preimage for f in pair.nodes[0].told(actions.HtlcFulfilled)] == [preimage(1)]
    pair.cut()
    assert pair.nodes[0].channel.log == ()


def test_fee_and_extension_updates_cross() -> None:
    pair = opened(WITH_VAULT)
    pair.command(0, events.SetFeerate(1500))
    pair.command(0, events.Propose(NAME, body("put", 20_000)))
    pair.command(1, events.Propose(NAME, body("put", 30_000)))
    pair.settle()
    pair.check()
    states = pair.nodes[0].channel.base.states
    assert feerate_of(states) == 1500 and boxes(dict(states)[NAME]) == (20_000, 30_000)
    values = [o.value_sat for o in pair.nodes[1].latest().graph.outputs if o.provider == NAME]
    assert values == [20_000, 30_000]
    committed = pair.nodes[0].told(actions.ExtensionCommitted)
    assert sorted(c.proposer for c in committed) == [0, 1]


# Cut at every message


class Story:
    """Payments, a fee, an extension's update and a close, each wished for until it has happened."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.wishes: list[Callable[[], bool]] = [self.pay, self.collect, self.change, self.finish]

    def tell(self, disturb: Callable[[Pair], None], at: int) -> None:
        """Live through all wishes; once `at` messages were delivered, `disturb`."""
        for wish in self.wishes:
            for _ in range(8):
                if wish():
                    break
                self.settle(disturb, at)
                self.pair.check()
            else:
                raise AssertionError(f"{wish.__name__} never happens")

    def settle(self, disturb: Callable[[Pair], None], at: int) -> None:
        for _ in range(200):
            moved = False
            for party in (0, 1):
                if self.pair.delivered == at:
                    self.pair.delivered += 1
                    disturb(self.pair)
                    self.pair.reconnect()
                    moved = True
                moved |= self.pair.deliver(party)  # type: ignore[arg-type]
            if not moved:
                for node in self.pair.nodes:
                    node.run(events.Commit())
                if not any(node.sent for node in self.pair.nodes):
                    return
        raise AssertionError("the two sides never come to rest")

    def command(self, party: Party, event: events.Event) -> None:
        self.pair.command(party, event)

    def received(self, party: Party) -> set[int]:
        return {r.id for r in self.pair.nodes[party].told(actions.HtlcReceived)}

    def pay(self) -> bool:
        for party, number in ((0, 1), (1, 2)):
            if not self.received(1 - party):
                self.command(party, add(number))  # type: ignore[arg-type]
        return bool(self.received(0) and self.received(1))

    def collect(self) -> bool:
        if not any(htlcs_of(node.channel.base.states) for node in self.pair.nodes):
            return True
        if not self.pair.nodes[1].channel.decisions:
            self.command(1, events.Fulfill(0, preimage(1)))
        if not self.pair.nodes[0].channel.decisions:
            self.command(0, events.Fail(0, b"reason"))
        return False

    def change(self) -> bool:
        base = self.pair.nodes[0].channel.base.states
        given = any(b"give" in c.body for c in self.pair.nodes[0].told(actions.ExtensionCommitted))
        if feerate_of(base) != 1234:
            self.command(0, events.SetFeerate(1234))
        if not given:
            self.command(1, events.Propose(NAME, body("give" if boxes(dict(base)[NAME])[1] else "put", 5_000)))
        return feerate_of(base) == 1234 and given

    def finish(self) -> bool:
        if isinstance(self.pair.nodes[0].channel.phase, Normal):
            self.command(0, events.Close(SCRIPTS[0], 100, 3000))
        return all(
            isinstance(n.channel.phase, Negotiating) and n.channel.phase.agreed_fee_sat >= 0 for n in self.pair.nodes
        )


DISTURBANCES: dict[str, Callable[[Pair], None]] = {
    "the link is cut": Pair.cut,
    "the opener restarts": lambda pair: pair.restart(0),
    "the acceptor restarts": lambda pair: pair.restart(1),
}


def told_story(disturb: Callable[[Pair], None], at: int) -> Pair:
    pair = opened(WITH_VAULT)
    pair.delivered = 0
    Story(pair).tell(disturb, at)
    return pair


def test_the_story_without_disturbance() -> None:
    pair = told_story(Pair.cut, -1)
    assert not any(node.errors for node in pair.nodes)
    assert len({node.broadcast[-1].txid for node in pair.nodes}) == 1


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_the_story_cut_at_every_message(disturb: Callable[[Pair], None]) -> None:
    length = told_story(disturb, -1).delivered
    assert length >= 39
    for at in range(length + 1):
        pair = told_story(disturb, at)
        opener, acceptor = pair.nodes
        assert not opener.errors and not acceptor.errors, (at, opener.errors, acceptor.errors)
        # 5,000 sat paid by an HTLC, 5,000 given by the extension the other way; each exactly once.
        assert opener.channel.base.balances_msat == (700_000_000, 300_000_000), at
        assert len(opener.told(actions.HtlcFulfilled)) >= 1
        assert opener.broadcast[-1].txid == acceptor.broadcast[-1].txid, at
