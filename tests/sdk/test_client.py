"""Does the client answer at once where nothing has to be awaited, and each call in a context of its own?"""

import asyncio
import time
from contextvars import ContextVar
from pathlib import Path

import pytest
import zmq
from lnpd_sdk import envelope
from lnpd_sdk.client import TURN_SECONDS, Client
from lnpd_sdk.envelope import Answer, Call, Fault, Frame
from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.questions import RpcRequest
from lnpd_sdk.trace import trace_id

SEEN: ContextVar[str] = ContextVar("seen", default="nothing")


def example() -> Plugin:
    plugin = Plugin("memo", "1")

    @plugin.hook("block_connected")
    def plain(node: Node, **fields: object) -> list[str]:
        before = SEEN.get()
        SEEN.set("the other call's")
        return [trace_id(), before]

    @plugin.hook("peer_connected")
    async def awaits(node: Node, **fields: object) -> list[str]:
        before = plain(node)
        await asyncio.sleep(0)
        return [*before, SEEN.get()]

    @plugin.hook("peer_disconnected")
    def cancels(node: Node, **fields: object) -> None:
        raise asyncio.CancelledError

    @plugin.hook("channel_closed")
    async def cancels_later(node: Node, **fields: object) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError("of a task of its own")

    return plugin


@pytest.mark.parametrize(
    ("hook", "at_once", "expected"),
    [
        ("block_connected", True, ["t1", "nothing"]),
        ("peer_connected", False, ["t1", "nothing", "the other call's"]),
        ("peer_disconnected", True, "CancelledError"),
        ("channel_closed", False, "CancelledError"),
        ("channel_opened", True, "UnknownQuestion"),
    ],
)
def test_a_call_has_its_answer_and_leaves_nothing(tmp_path: Path, hook: str, at_once: bool, expected: object) -> None:
    async def main() -> None:
        client, sent = Client(example(), f"ipc://{tmp_path}/nobody", b"token"), list[Frame]()
        client._send = sent.append  # type: ignore[method-assign]  # nobody is there who would take it
        for number in range(2):
            client._receive(Call(number, "hook", envelope.raw(RpcRequest(hook, envelope.raw({}))), "t1"))
            assert (trace_id(), SEEN.get()) == ("", "nothing")
        assert len(sent) == (2 if at_once else 0)
        async with asyncio.timeout(5):
            while client._running:
                await asyncio.sleep(0)
        said = [
            frame.code if isinstance(frame, Fault) else envelope.decode(frame.result, object)
            for frame in sent
            if isinstance(frame, Answer | Fault)
        ]
        assert said == [expected, expected]
        client.close()

    asyncio.run(main())


def test_the_loop_has_a_turn_between_answers_that_take_long(tmp_path: Path) -> None:
    async def main() -> None:
        turns, answered_in = 0, list[int]()
        plugin = Plugin("slow", "1")

        @plugin.hook("block_connected")
        def slow(node: Node, **fields: object) -> None:
            time.sleep(1.1 * TURN_SECONDS)  # what it costs the loop
            answered_in.append(turns)

        def tick() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(tick)

        with zmq.Context() as context, context.socket(zmq.DEALER) as node:
            node.setsockopt(zmq.LINGER, 0)
            node.bind(f"ipc://{tmp_path}/node")
            client = Client(plugin, f"ipc://{tmp_path}/node", b"token")
            question = envelope.raw(RpcRequest("block_connected", envelope.raw({})))
            async with asyncio.timeout(10):
                while not node.getsockopt(zmq.EVENTS) & zmq.POLLOUT:
                    await asyncio.sleep(0)
                for number in range(3):  # the second and third come while the first is answered
                    node.send(envelope.pack(Call(number, "hook", question)), zmq.NOBLOCK)
                tick()
                while len(answered_in) < 3:
                    await asyncio.sleep(0)
            client.close()
        assert len(set(answered_in)) >= 2  # the descriptor may announce the third one beside the turn of the second

    asyncio.run(main())
