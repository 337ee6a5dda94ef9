"""Is the table of transitions what the documentation says, and is every snapshot small and readable?"""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from lnpd.channel import events, state
from lnpd.channel.events import EVENTS
from lnpd.channel.refusals import BECAUSE, WANTED
from lnpd.channel.state import PHASES, Channel
from lnpd.channel.step import IGNORABLE, OVER, step
from lnpd.channel.table import TRANSITIONS, described, printed
from lnpd.errors import CommandRefused, UnexpectedMessage
from lnpd.wire.base import Message
from lnpd.wire.messages import Ping
from tests.channel.harness import Node, Pair, add, drive, opened, opening

DOCUMENT = Path(state.__file__).parent / "TRANSITIONS.md"


def test_the_document_is_the_table() -> None:
    assert DOCUMENT.read_text() == printed(), "write what lnpd.channel.table.printed() returns to TRANSITIONS.md"


def test_every_phase_and_event_has_a_place() -> None:
    assert {phase for phase, _ in TRANSITIONS} == set(PHASES)
    listed = {event for _, event in TRANSITIONS if issubclass(event, events.Event)}
    assert listed == set(EVENTS)
    assert len(described()) == len(TRANSITIONS)


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
def test_what_is_not_listed_is_refused(phase: type) -> None:
    node = Node(0)
    for event in (Ping(num_pong_bytes=0, ignored=b""), events.FundingFailed("")):
        if (phase, type(event)) in TRANSITIONS:
            continue
        channel = replace(node.channel, phase=_sample(phase))
        refusal = UnexpectedMessage if isinstance(event, Message) else CommandRefused
        says = phase.__name__ if isinstance(event, Message) else BECAUSE[phase]
        if isinstance(event, Message) and phase in OVER:
            assert drive(step(channel, event), node.answer) == (channel, [])
            continue
        with pytest.raises(refusal, match=says):
            drive(step(channel, event), node.answer)


def test_every_command_has_words_for_its_refusal_in_every_phase() -> None:
    commands = {event for event in EVENTS if event not in IGNORABLE}
    assert set(WANTED) == commands and set(BECAUSE) == set(PHASES)
    names = {kind.__name__ for kind in (*PHASES, *EVENTS)} - {"Open", "Closed", "New", "Normal"}
    for sentence in (*WANTED.values(), *BECAUSE.values()):
        assert not names & set(sentence.split()), "a class's name is no word for a person"


def _sample(phase: type) -> object:
    samples = {state.Failed: ("x",), state.OnChain: ("mutual", b"", 0), state.Closed: ("x",)}
    samples |= {state.Negotiating: ((0, 0),), state.AwaitingFundingSigned: (None,)}
    return phase(*samples.get(phase, ()))


def test_facts_without_a_handler_change_nothing() -> None:
    node = opening().nodes[0]
    for event in (events.Block(1), events.Commit()):
        channel, actions = drive(step(node.channel, event), node.answer)
        assert channel == node.channel and actions == []
    closed = replace(node.channel, phase=state.OnChain("mutual", b"", 1))
    assert drive(step(closed, events.Connected()), node.answer) == (closed, []), "a reconnect is nothing to refuse"


def full(count: int) -> Pair:
    """A channel with `count` HTLCs of each side."""
    limits = {"max_accepted_htlcs": 483, "max_htlc_value_in_flight_msat": 10**12}
    nodes = Node(0), Node(1)
    for node in nodes:
        terms = node.signer.terms(**limits)
        node.signer.terms = lambda terms=terms, **_: terms  # type: ignore[misc, method-assign]
    pair = opened(pair=Pair(*nodes), capacity_sat=10_000_000, push_msat=5_000_000_000)
    for number in range(count):
        for party in (0, 1):
            pair.command(party, add(number, 1_000_000 + number))  # type: ignore[arg-type]
            pair.deliver(party)  # type: ignore[arg-type]
    return pair


def test_a_snapshot_with_483_htlcs_a_side_is_under_100_kb() -> None:
    pair = full(20)
    before = len(opened().nodes[0].stored)
    waiting = len(pair.nodes[0].stored)
    pair.settle()
    pair.check()
    committed = len(pair.nodes[0].stored)
    print(f"snapshot: {before} bytes, {(committed - before) / 40:.0f} an HTLC, {(waiting - before) / 40:.0f} pending")
    assert before + 966 * (committed - before) / 40 < 100_000


def test_snapshots_refuse_what_they_do_not_know() -> None:
    stored = msgspec.msgpack.decode(opened().nodes[0].stored)
    for changes in ({"future": 1}, {"phase": {"type": "future"}}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.msgpack.decode(msgspec.msgpack.encode({**stored, **changes}), type=Channel)
