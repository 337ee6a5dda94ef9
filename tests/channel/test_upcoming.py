"""Is what waits foreseen as it will be asked, and does a wrong guess end there?"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from lnpd_sdk.questions import continued
from lnpd_sdk.types import Folded
from msgspec.structs import replace

from lnpd.channel.events import Add, Commit, Event, Fail, Fulfill, Propose
from lnpd.channel.foresight import AskAhead
from lnpd.channel.upcoming import following
from lnpd.tx.graph import Foreseen
from lnpd.tx.phases import MOST_BESIDE
from lnpd.wire.base import Message
from lnpd.wire.message import from_row
from lnpd.wire.messages import UpdateFulfillHtlc
from tests.channel.harness import WITH_VAULT, Node, Pair, add, drive, opened, preimage
from tests.channel.vault import NAME, body

Asked = tuple[str, tuple[object, ...]]


class Spied:
    """What a node asks of the extension, and what it says is going to be asked."""

    def __init__(self, node: Node) -> None:
        self.node, self.asked, self.ahead = node, list[Asked](), list[AskAhead]()
        answer, call = node.answer, node.call
        node.answer = lambda query: self.heard(query) or answer(query)  # type: ignore[method-assign]
        node.call = lambda query: self.called(query) or call(query)  # type: ignore[method-assign]
        self.core = call

    def heard(self, query: Any) -> None:
        if isinstance(query, AskAhead):
            self.ahead.append(query)

    def called(self, call: Any) -> None:
        if call.provider == NAME:
            self.asked.append((call.method, call.arguments))

    def foreseen(self, waiting: Sequence[Event | Message]) -> list[Asked]:
        """All that was said first, with its answers filled in."""
        found: list[Foreseen] = drive(self.ahead[0].questions(following(waiting)), self.core)
        questions, answers = list[Asked](), list[object]()
        for call, after in found:
            arguments = call.arguments
            for place in after:
                arguments = continued(arguments, answers[place]) if isinstance(answers[place], Folded) else arguments
            questions.append((call.method, arguments))
            answers.append(self.core(replace(call, arguments=arguments)))
        return questions


def spying(node: Node, waiting: Sequence[Event | Message], run: Callable[[], object]) -> None:
    """Everything that is asked while these events are handled was foreseen at the first."""
    spied = Spied(node)
    run()
    foreseen = spied.foreseen(waiting[1:])
    assert len(spied.ahead) == len(waiting)
    assert {method for method, _ in spied.asked} == {"validate", "fold", "contribute"}
    assert [each for each in spied.asked if each not in foreseen] == []
    node.answer, node.call = Node.answer.__get__(node), Node.call.__get__(node)  # type: ignore[method-assign]


def with_box() -> Pair:
    pair = opened(WITH_VAULT)
    pair.command(0, Propose(NAME, body("put", 5000)))
    pair.settle()
    return pair


@pytest.mark.parametrize("remove", [lambda n: Fulfill(n, preimage(n)), lambda n: Fail(n, b"no")], ids=["claim", "fail"])
def test_what_is_asked_of_several_updates_is_foreseen_at_the_first(remove: Callable[[int], Event]) -> None:
    pair = with_box()
    for party, commands in ((0, [add(n) for n in range(4)]), (1, [remove(n) for n in range(4)])):
        us, them = pair.nodes[party], pair.nodes[1 - party]

        def proposing(party: int = party, commands: Sequence[Event] = commands) -> None:
            for command in commands:
                pair.command(party, command)

        def receiving(party: int = party) -> None:
            while pair.nodes[party].sent:
                pair.deliver(party)

        spying(us, commands, proposing)
        messages = [message for row in us.sent if isinstance(message := from_row(row), Message)]
        spying(them, messages, receiving)
        pair.settle()
    pair.check()


def test_a_wrong_guess_ends_what_is_foreseen() -> None:
    pair = with_box()
    spied = Spied(pair.nodes[0])
    for number in range(2):
        pair.command(0, add(number))
    one = len(spied.foreseen([]))
    first, second = (from_row(row) for row in pair.nodes[0].sent)
    assert isinstance(first, Message) and isinstance(second, Message)
    spied = Spied(pair.nodes[1])
    pair.deliver(0)
    unknown = UpdateFulfillHtlc(channel_id=pair.nodes[1].channel.id, id=0, payment_preimage=preimage(0))
    assert len(spied.foreseen([second])) > one
    for wrong in (first, unknown, Fulfill(7, preimage(7)), Fulfill(0, preimage(7)), Fail(7, b""), Commit()):
        assert len(spied.foreseen([wrong, second])) == one, wrong


def test_what_is_foreseen_is_bounded_and_ends_at_what_an_extension_moves() -> None:
    pair = with_box()
    spied = Spied(pair.nodes[0])
    pair.command(0, add(0))
    many: list[Add] = [add(n) for n in range(1, 100)]
    assert MOST_BESIDE <= len(spied.foreseen(many)) < MOST_BESIDE + 5
    spied.ahead.clear()
    pair.command(0, Propose(NAME, body("put", 5000)))
    alone = ["contribute", "contribute", "validate", "fold", "fold", "contribute", "contribute"]
    assert [method for method, _ in spied.foreseen(many)] == alone
