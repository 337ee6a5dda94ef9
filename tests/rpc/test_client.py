"""Do the plain and the async client ask the same, answer the same, and follow events through a node's restart?"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lnpd import errors
from lnpd.rpc import AsyncClient, Client, answers
from lnpd.rpc.commands import COMMANDS
from lnpd.rpc.generate import method_name, targets
from lnpd.rpc.methods import Methods
from lnpd.rpc.methods_async import AsyncMethods
from lnpd.rpc.refused import refused
from lnpd.services.rpc.api import Backend
from tests.rpc.far_node import Far, far_node, publish, two_ports
from tests.services.rpc.small_node import CHANNEL_ID, INVOICE, PEER_ID, TXID, in_thread

Ask = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    with far_node(tmp_path_factory.mktemp("small")) as far:
        yield far


def plainly(where: Any, question: Callable[[Any], Any]) -> Any:
    with Client(where) as node:
        return question(node)


def awaited(where: Any, question: Callable[[Any], Any]) -> Any:
    async def ask() -> Any:
        async with AsyncClient(where) as node:
            return await question(node)

    return asyncio.run(ask())


@pytest.fixture(params=["plain", "async", "plain, far", "async, far"])
def ask(small: Far, request: pytest.FixtureRequest) -> Ask:
    way = plainly if "plain" in request.param else awaited
    where = small.client if "far" in request.param else small.directory
    return lambda question: way(where, question)


# What is asked, and what the answer is or the error that a program catches.
QUESTIONS: dict[str, tuple[Callable[[Any], Any], object]] = {
    "an answer": (lambda node: node.ping(PEER_ID), answers.Pong(PEER_ID, 0.25)),
    "an answer of answers": (lambda node: node.funds(), lambda funds: funds.coins[0].outpoint == f"{TXID}:1"),
    "a list": (lambda node: node.peers(), lambda peers: [type(peer) for peer in peers] == [answers.Peer]),
    "an option": (lambda node: node.mine(blocks=2), answers.Mined(103, (TXID, TXID))),
    "what is left out": (lambda node: node.plugin_options(), lambda rows: rows[0].value == 8),
    "a dotted method": (lambda node: node.plugin_set("lockbox", "most", "9"), lambda row: row.plugin == "lockbox"),
    "a list of words": (
        lambda node: node.open(PEER_ID[:8], 100_000, providers=["lockbox"]),
        answers.Opened(CHANNEL_ID, f"{TXID}:0", 100_000, "awaiting_depth"),
    ),
    "the commands": (lambda node: node.help(), lambda rows: "lockbox-put" in {row["name"] for row in rows}),
    "a plugin's": (
        lambda node: node.call("lockbox-put", {"channel": CHANNEL_ID, "amount_sat": 7}),
        {"box": 0, "amount_sat": 7},
    ),
    "refused by its class": (lambda node: node.send("bcrt1qw508d6qejxtdg4y5", 10**15), errors.InsufficientFunds),
    "and as refused": (lambda node: node.send("bcrt1qw508d6qejxtdg4y5", 10**15), errors.RefusedByNode),
    "a refused parameter": (lambda node: node.ping("nobody"), errors.ParameterRefused),
    "no such method": (lambda node: node.call("pley"), errors.NoSuchMethod),
    "a fault of the node": (lambda node: node.fund(1), errors.RefusedByNode),
    "too late": (lambda node: node.call("pay", {"invoice": INVOICE, "amount_msat": 13}, 0.05), errors.DeadlineMissed),
}


@pytest.mark.parametrize("what", QUESTIONS)
def test_every_way_asks_and_answers_the_same(ask: Ask, what: str) -> None:
    question, expected = QUESTIONS[what]
    if isinstance(expected, type):
        with pytest.raises(expected):
            ask(question)
        return
    answer = ask(question)
    assert expected(answer) if callable(expected) else answer == expected


@pytest.mark.parametrize("where", ["directory", "client"])
def test_a_late_answer_is_nobodys(small: Far, where: str) -> None:
    with Client(getattr(small, where)) as node:
        with pytest.raises(errors.DeadlineMissed):
            node.call("pay", {"invoice": INVOICE, "amount_msat": 13}, 0.02)
        assert node.ping(PEER_ID).milliseconds == 0.25


@pytest.mark.parametrize("where", ["directory", "client"])
def test_many_questions_at_once(small: Far, where: str) -> None:
    async def both() -> None:
        async with AsyncClient(getattr(small, where)) as node:
            late = asyncio.create_task(node.pay(INVOICE, amount_msat=13))
            assert [found.blocks for found in await asyncio.gather(*(node.mine(blocks=n) for n in (1, 2, 3)))] == [
                (TXID,) * n for n in (1, 2, 3)
            ]
            await node.hang_up()
            with pytest.raises(errors.NodeConnectionLost):
                await late
            assert (await node.ping(PEER_ID)).milliseconds == 0.25  # connected anew

    asyncio.run(both())


def test_without_a_node_it_is_said_so(tmp_path: Path) -> None:
    for way in (plainly, awaited):
        with pytest.raises(errors.NodeUnavailable, match="No lnpd runs in"):
            way(tmp_path, lambda node: node.info())


# --- events


@pytest.mark.parametrize("kind", ["directory", "reader"])
def test_events_go_on_after_a_restart_with_none_lost_and_none_twice(tmp_path: Path, kind: str) -> None:
    port = two_ports()
    with far_node(tmp_path, port) as far:
        where = getattr(far, kind)
        publish(far.node, 0, 1, 2)
        plain = Client(where).events(since=1)
        assert [plain.next(10).payload["n"] for _ in range(2)] == [1, 2]
        assert plain.next(0.01) is None
    with pytest.raises(errors.NodeUnavailable):
        Client(where)
    told: list[int] = []

    def follow() -> None:
        told.extend(event.payload["n"] for event in plain)

    reading = threading.Thread(target=follow)
    reading.start()  # while there is no node
    with far_node(tmp_path, port) as far:
        publish(far.node, 3, 4)

        async def from_before() -> list[int]:
            seen: list[int] = []
            async for event in AsyncClient(where).events(since=0):
                seen.append(event.payload["n"])
                if len(seen) == 5:
                    break
            return seen

        assert asyncio.run(from_before()) == [0, 1, 2, 3, 4]
        while plain.sequence < 5:
            reading.join(0.01)
        plain.close()
        reading.join(10)
        assert not reading.is_alive() and told == [3, 4]
        with Client(where).events() as later:  # subscribed, before anything is read
            publish(far.node, 5)
            assert later.next(10).payload["n"] == 5
        with pytest.raises(errors.EventsLost):
            Client(where).events(since=99)


@pytest.mark.parametrize("kind", ["directory", "reader"])
def test_async_events_go_on_after_a_restart(tmp_path: Path, kind: str) -> None:
    async def follow() -> list[int]:
        port = two_ports()
        with far_node(tmp_path, port) as far:
            publish(far.node, 0)
            events = AsyncClient(getattr(far, kind)).events(since=0)
            seen = [(await anext(events)).payload["n"]]
        with far_node(tmp_path, port) as far:
            publish(far.node, 1, 2)
            seen += [(await anext(events)).payload["n"] for _ in range(2)]
            events.close()
        return seen

    assert asyncio.run(follow()) == [0, 1, 2]


def test_patience_ends(tmp_path: Path) -> None:
    with in_thread(tmp_path):
        events = Client(tmp_path).events(patience_seconds=0)
    with pytest.raises(errors.NodeConnectionLost):
        events.next(10)


# --- what is generated


@pytest.mark.parametrize("kind", [Methods, AsyncMethods])
def test_the_methods_alone_ask_nobody(kind: type) -> None:
    with pytest.raises(TypeError, match="abstract"):
        kind()


def test_the_methods_are_those_of_the_table() -> None:
    for path, text in targets().items():
        assert path.read_text(encoding="utf-8") == text, "run `make generate`"


def test_a_clients_own_names_are_no_commands() -> None:
    own = {name for kind in (Client, AsyncClient) for name in vars(kind) if not name.startswith("_")}
    generated = {method_name(command) for command in COMMANDS if not command.streaming}
    assert own == {"call", "events", "hang_up"} and not own & generated
    assert generated == {name for name in vars(Methods) if not name.startswith("_")}
    for name in generated:
        plain, other = (inspect.signature(getattr(kind, name)) for kind in (Methods, AsyncMethods))
        assert plain == other and inspect.iscoroutinefunction(getattr(AsyncMethods, name))


def test_what_the_node_says_it_raises_is_in_the_table() -> None:
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    for command in COMMANDS:
        said = inspect.getdoc(getattr(Backend, command.handler, None)) or ""
        named = {kinds[word] for word in said.replace(",", " ").replace(".", " ").split() if word in kinds}
        assert named <= set(command.refused), command.name


@pytest.mark.parametrize(
    ("name", "caught"),
    [
        ("PaymentPending", errors.CommandRefused),
        ("Nonsense", errors.RefusedByNode),
        ("Exception", errors.RefusedByNode),
        ("LnpdError", errors.RefusedByNode),
        ("StoreHalted", errors.StoreHalted),
    ],
)
def test_a_refusal_is_of_the_class_that_its_name_means(name: str, caught: type[Exception]) -> None:
    error = refused(7, name, "Text.")
    assert isinstance(error, caught) and isinstance(error, errors.RefusedByNode)
    assert (error.code, error.name, str(error)) == (7, name, "Text.")


def test_every_class_of_errors_can_be_told() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LnpdError)]
    assert len(kinds) > 100
    for kind in kinds:
        error = refused(1, kind.__name__, "Text.")
        assert isinstance(error, kind) and str(error) == "Text."
