"""Is each way in which a view of the chain can be out of date named, said once, and no hindrance a moment after?"""

import asyncio
import logging
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd.chain.interface import SLACK_BLOCKS, BlockRef, ChainTip
from lnpd.errors import ChainNotCurrent, ChainUnreachable
from lnpd.services.chain import pulse as chain_pulse
from lnpd.services.chain.pulse import ChainPulse
from lnpd.services.chain.sight import OLD_SECONDS, TROUBLES, UNASKED_SECONDS, ChainSight
from lnpd.testing import until
from tests.services.chain.chains import told

NOW, HEIGHT = 1_700_000_000.0, 800_000
FRESH = ChainTip(BlockRef(HEIGHT, bytes(32)), int(NOW) - 600, HEIGHT)


class Chain:
    """All that a pulse asks of a chain, and a clock."""

    def __init__(self, **changes: Any) -> None:
        self.answer, self.now = replace(FRESH, **changes), NOW
        self.gone = False

    async def tip(self) -> ChainTip:
        if self.gone:
            raise ChainUnreachable("nobody")
        return self.answer

    async def sight(self, height: int = HEIGHT, mined_on_command: bool = False) -> ChainSight:
        self.pulse = ChainPulse(self, lambda: self.now)  # type: ignore[arg-type]  # see above
        sight = ChainSight(self.pulse, lambda: height, mined_on_command, lambda: self.now)
        await self.pulse.start()
        return sight


# Each: what the chain says, what was handled, how much later it is; and the words, or "" if that is still no trouble.
LAST = HEIGHT - SLACK_BLOCKS
CASES: dict[str, tuple[dict[str, Any], int, float, str]] = {
    "all is well": ({}, HEIGHT, 0, ""),
    "a block on its way to us": ({}, LAST, 0, ""),
    "a block on its way to the node": ({"headers_height": HEIGHT + SLACK_BLOCKS}, HEIGHT, 0, ""),
    "handled before the pulse heard of it": ({}, HEIGHT + 9, 0, ""),
    "fewer headers than blocks": ({"headers_height": 0}, HEIGHT, 0, ""),
    "a while": ({}, HEIGHT, UNASKED_SECONDS, ""),
    "a slow block": ({"time_seconds": int(NOW) - OLD_SECONDS}, HEIGHT, 0, ""),
    "behind": ({}, LAST - 1, 0, "lnpd has handled 799,997 of 800,000 blocks"),
    "not started": ({}, 0, 0, "lnpd has handled 0 of 800,000 blocks"),
    "lacking": ({"headers_height": 800_050}, HEIGHT, 0, "the chain's node is at block 800,000 of 800,050"),
    "unasked": ({}, HEIGHT, 2 * 86_400, "the chain was not asked for 172800 s"),
    "old": ({"time_seconds": int(NOW) - 9_000}, HEIGHT, 0, "the chain's last block is 2.5 h old"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_known_is_current_or_it_is_said_why_not(case: str) -> None:
    changes, height, later, says = CASES[case]

    async def story() -> None:
        chain = Chain(**changes)
        sight = await chain.sight(height)
        chain.now += later
        assert sight.is_current == (not says)
        if not says:
            sight.require_current()
            assert sight.warning == ""
        else:
            assert sight.warning.startswith(f"{says}") and sight.warning.endswith("accepted as a payment")
            with pytest.raises(ChainNotCurrent, match=rf"^{says[0].upper()}{says[1:]}.*: ask again when `lnp info`"):
                sight.require_current()
        await chain.pulse.stop()

    told(story)


def test_every_trouble_has_its_case() -> None:
    assert {trouble.name for trouble in TROUBLES} <= CASES.keys()


def test_blocks_that_are_mined_on_command_may_be_old() -> None:
    async def story() -> None:
        chain = Chain(time_seconds=0)
        assert (await chain.sight(mined_on_command=True)).is_current
        await chain.pulse.stop()

    told(story)


def test_silence_is_the_pulses_to_say_and_the_rest_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chain_pulse, "BEAT_SECONDS", 0.01)

    async def story() -> None:
        chain = Chain()
        sight = await chain.sight()
        chain.answer = replace(FRESH, headers_height=HEIGHT + 3)
        await until(lambda: "is at block" in caplog.text, "the log")
        chain.answer = FRESH
        await until(lambda: sight.is_current, "its end")
        chain.gone = True
        await until(lambda: "not answered" in sight.warning, "silence")
        assert sight.is_current, "it may be started again"
        chain.now += UNASKED_SECONDS + 1
        assert not sight.is_current
        with pytest.raises(ChainUnreachable, match="The chain has not answered for 601 s: ask again"):
            sight.require_current()
        chain.answer = replace(FRESH, headers_height=HEIGHT + 3)
        chain.gone = False
        await until(lambda: "is at block" in sight.warning, "the same trouble, again")
        chain.answer = FRESH
        await until(lambda: "as it is again" in caplog.text, "its end")
        for _ in range(5):
            await asyncio.sleep(0.01)
        await chain.pulse.stop()

    with caplog.at_level(logging.WARNING, "lnpd.chain"):
        told(story)
    said = [record.getMessage().split(":")[0] for record in caplog.records]
    assert said == [
        "the chain's node is at block 800,000 of 800,003",
        "the chain is seen as it is again",
        "the chain does not answer, and nothing on it is seen or enforced until it does",
        "the chain answers again, after 601 s",
        "the chain's node is at block 800,000 of 800,003",
        "the chain is seen as it is again",
    ]
