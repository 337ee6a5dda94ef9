"""Does a slow plugin that judges openings stay out of the way of the peer's other messages?"""

import asyncio

from lnpd.hooks.dispatch import Hooks
from lnpd.services.channels import judges as channel_judges
from lnpd.services.channels.judges import Judges
from tests.hooks.test_dispatch import plugged, saying
from tests.services.plugins.test_host import until

ALICE, BOB = b"a", b"b"


def test_openings_are_judged_one_after_the_other_beside_what_else_the_peer_says() -> None:
    hooks = Hooks()
    for hook in ("open_channel_received", "accept_channel_received"):
        plugged(hooks, hook, hook, saying(None, [], ""), grants=(f"hook:{hook}",))
    begun, gates = list[str](), dict[str, asyncio.Event]()

    async def judge(name: str) -> None:
        begun.append(name)
        await gates.setdefault(name, asyncio.Event()).wait()

    async def main() -> None:
        judges = Judges(hooks)
        async with asyncio.timeout(4):  # nobody here waits for a judge
            for number in range(channel_judges.MAX_WAITING):
                await judges.beside(ALICE, "open_channel_received", judge(f"open {number}"))
            await judges.beside(ALICE, "accept_channel_received", judge("accept"))
            await judges.beside(BOB, "open_channel_received", judge("bob's"))
            await until(lambda: len(begun) == 3)
            assert begun == ["open 0", "accept", "bob's"]
            more = asyncio.create_task(judges.beside(ALICE, "open_channel_received", judge("one too many")))
            await asyncio.sleep(0)
            assert not more.done()
            gates["open 0"].set()
            await more
            await until(lambda: begun[3:] == ["open 1"])
            for number in range(1, channel_judges.MAX_WAITING):
                gates.setdefault(f"open {number}", asyncio.Event()).set()
            await until(lambda: begun[-1] == "one too many")

    asyncio.run(main())
