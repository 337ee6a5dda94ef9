"""Do calls end at their deadlines, whatever their order and however many, and what is left of them?"""

import asyncio

import msgspec
import pytest
from lnpd_sdk.envelope import Answer, CallFailed, Fault

from lnpd.bus.waiting import Waiting
from lnpd.errors import DeadlineMissed, LinkGone

ANSWER = msgspec.Raw(b"\x2a")


def test_each_ends_at_its_own_deadline() -> None:
    """A later call may have the earlier deadline; one without any waits on."""
    lengths = {1: 0.06, 2: 0.02, 3: None, 4: 0.04, 5: 0.02}

    async def main() -> list[int]:
        waiting, ended, began = Waiting(), list[int](), asyncio.get_running_loop().time()
        calls = {number: waiting.begin((b"", number), "ask", seconds) for number, seconds in lengths.items()}

        async def wait(number: int) -> None:
            with pytest.raises(DeadlineMissed, match=rf"no answer to ask within {lengths[number]} s"):
                await calls[number]
            assert asyncio.get_running_loop().time() - began >= (lengths[number] or 0) - 0.001
            ended.append(number)

        await asyncio.gather(*(wait(number) for number, seconds in lengths.items() if seconds))
        assert not calls[3].done()
        for number in lengths:
            waiting.end((b"", number))
        assert (len(waiting), waiting._ends, waiting._timer) == (0, {}, None)
        return ended

    assert asyncio.run(main()) == [2, 5, 4, 1]


def test_an_answered_call_leaves_no_deadline_behind() -> None:
    async def main() -> None:
        waiting = Waiting()
        for number in range(1_000):
            answered = waiting.begin((b"a", number), "ask", 30)
            assert waiting.settle(b"a", Answer(number, ANSWER))
            assert await answered == ANSWER
            waiting.end((b"a", number))
        assert (len(waiting), waiting._ends) == (0, {})
        waiting.close(LinkGone("closed"))
        assert waiting._timer is None

    asyncio.run(main())


def test_a_faulty_answer_raises_and_one_of_somebody_else_counts_for_nothing() -> None:
    async def main() -> None:
        waiting = Waiting()
        answered = waiting.begin((b"a", 1), "ask", 30)
        assert not waiting.settle(b"b", Answer(1, ANSWER))
        assert not waiting.settle(b"a", Answer(2, ANSWER))
        assert waiting.settle(b"a", Fault(1, "Refused", "no"))
        assert waiting.settle(b"a", Answer(1, ANSWER)), "it still waits, and has its answer"
        with pytest.raises(CallFailed, match="no"):
            await answered
        waiting.end((b"a", 1))
        assert not waiting.settle(b"a", Answer(1, ANSWER))
        waiting.close(LinkGone("closed"))

    asyncio.run(main())


def test_who_is_gone_answers_nobody() -> None:
    async def main() -> None:
        waiting = Waiting()
        calls = {side: waiting.begin((side, 1), "ask", 30) for side in (b"a", b"b")}
        waiting.fail(LinkGone("a is gone"), b"a")
        with pytest.raises(LinkGone, match="a is gone"):
            await calls[b"a"]
        assert not calls[b"b"].done()
        waiting.close(LinkGone("closed"))
        with pytest.raises(LinkGone, match="closed"):
            await calls[b"b"]

    asyncio.run(main())
