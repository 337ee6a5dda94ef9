"""Is a chain that does not answer noticed at once, said once, and shown with its last tip?"""

import asyncio
import logging
import time
from pathlib import Path

import pytest

from lnpd.chain.interface import BlockRef, ChainTip
from lnpd.errors import ChainUnreachable, FollowerEnded
from lnpd.services.chain import pulse as chain_pulse
from lnpd.services.chain.pulse import ChainPulse
from lnpd.services.chain.service import RemoteChain
from lnpd.testing import until
from tests.services.chain.chains import told
from tests.services.chain.test_service import served


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_pulse, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(chain_pulse, "ANSWER_SECONDS", 0.5)


def test_silence_has_a_beginning_a_sentence_and_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = 1_000_000.0

    async def story() -> None:
        nonlocal now
        remote = RemoteChain(f"ipc://{tmp_path}/c")
        pulse = ChainPulse(remote, lambda: now)
        async with served(tmp_path) as (chain, _, _):
            await pulse.start()
            (block,) = await chain.mine()
            assert await pulse.tip() == block, "it is asked while it answers"
            assert pulse.silent_since_unix_seconds is None and pulse.warning == ""
        await until(lambda: pulse.silent_since_unix_seconds, "silence")
        now += 42
        began = time.monotonic()
        assert await pulse.tip() == block and time.monotonic() - began < 0.2, "a silent chain is not waited for"
        assert pulse.silent_since_unix_seconds == 1_000_000
        assert pulse.warning.startswith("the chain has not answered for 42 s")
        async with served(tmp_path):
            await until(lambda: pulse.silent_since_unix_seconds is None, "an answer")
            assert pulse.warning == ""
        await pulse.stop()
        await remote.close()

    with caplog.at_level(logging.WARNING, "lnpd.chain"):
        told(story)
    lines = [record.getMessage() for record in caplog.records if "answer" in record.getMessage()]
    assert lines[0].startswith("the chain does not answer, and nothing on it is seen")
    assert lines[1] == "the chain answers again, after 42 s"


def test_without_a_chain_it_does_not_start(tmp_path: Path) -> None:
    async def story() -> None:
        remote = RemoteChain(f"ipc://{tmp_path}/nobody", deadline_seconds=0.05)
        with pytest.raises(ChainUnreachable):
            await ChainPulse(remote).start()
        await remote.close()

    told(story)


def test_a_late_answer_is_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Slow:
        seconds = 0.0

        async def tip(self) -> ChainTip:
            await asyncio.sleep(self.seconds)
            return ChainTip(BlockRef(7, bytes(32)), 0, 7)

    async def story() -> None:
        slow = Slow()
        pulse = ChainPulse(slow)  # type: ignore[arg-type]  # all that is asked of a chain here
        await pulse.start()
        slow.seconds = 60
        await until(lambda: pulse.silent_since_unix_seconds, "silence")
        assert "no answer within 0.5 s" in caplog.text
        await pulse.stop()

    told(story)


def test_a_defect_that_ends_it_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    class Ill:
        beats = 0

        async def tip(self) -> ChainTip:
            self.beats += 1
            if self.beats > 2:
                raise KeyError("defect")
            return ChainTip(BlockRef(7, bytes(32)), 0, 7)

    async def story() -> None:
        failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        pulse = ChainPulse(Ill(), broken=failed.set_result)  # type: ignore[arg-type]  # all that is asked of a chain here
        await pulse.start()
        ended = await asyncio.wait_for(failed, 10)
        assert isinstance(ended, FollowerEnded)
        assert str(ended) == "nobody asks any more whether the chain answers: KeyError: 'defect'"
        assert "nobody asks any more" in caplog.text
        await pulse.stop()

    told(story)
