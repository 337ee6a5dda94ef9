"""Does the chain's process come back whenever it ends, and does nobody wait for one that cannot serve?"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lnpd.errors import ChainEnded, ChainUnreachable, FollowerEnded
from lnpd.services.chain import keeper
from lnpd.services.chain.keeper import ChainProcess
from lnpd.services.chain.service import RemoteChain
from lnpd.testing import until, until_asked
from tests.services.chain.chains import told


@asynccontextmanager
async def kept(directory: Path) -> AsyncIterator[tuple[ChainProcess, RemoteChain]]:
    """A chain's process, and a client."""
    process = await ChainProcess.start(directory / "chain", f"ipc://{directory}/c")
    remote = RemoteChain(f"ipc://{directory}/c")
    try:
        yield process, remote
    finally:
        await remote.close()
        await process.stop()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_chain_is_named_and_comes_back_with_its_blocks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with kept(tmp_path) as (process, remote):
            (block,) = await remote.mine()
            for _ in range(2):
                first = process.pid
                os.kill(first, signal.SIGSTOP)  # so that it is asked something that it never answers
                asked = asyncio.create_task(remote.best_block())
                await asyncio.sleep(0)
                os.kill(first, signal.SIGKILL)
                began = time.monotonic()
                with pytest.raises(ChainUnreachable, match="ended before it had answered"):
                    await asked
                assert time.monotonic() - began < 5, "the question's own deadline is not waited for"
                await until(lambda first=first: process.pid != first, "a new process")  # type: ignore[misc]
                assert await remote.best_block() == block
            last = process.pid
        assert not is_running(last), "it is not started again after the end"

    with caplog.at_level(logging.WARNING, "lnpd.chain"):
        told(story)
    assert caplog.text.count("the chain's process ended with status -9; it is started again") == 2
    assert caplog.text.count("the chain's process runs again") == 2


def test_it_is_tried_again_until_it_can_be_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        log = tmp_path / "chain" / "blocks.log"
        async with kept(tmp_path) as (process, remote):
            (block,) = await remote.mine()
            whole = log.read_bytes()
            log.write_bytes(b"not a block log" * 10)
            os.kill(process.pid, signal.SIGKILL)
            await until(lambda: "the node is without a chain, and tries again" in caplog.text, "a line")
            log.write_bytes(whole)

            async def back() -> bool:
                try:
                    return await remote.best_block() == block
                except ChainUnreachable:
                    return False

            await until_asked(back, "the chain")

    told(story)


def test_a_defect_that_leaves_the_process_to_itself_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        process = await ChainProcess.start(tmp_path / "chain", f"ipc://{tmp_path}/c", failed.set_result)

        async def ill() -> None:
            raise KeyError("defect")

        monkeypatch.setattr(process, "_spawn", ill)
        os.kill(process.pid, signal.SIGKILL)
        ended = await asyncio.wait_for(failed, 30)
        assert isinstance(ended, FollowerEnded)
        assert str(ended) == "nobody starts the chain's process again any more: KeyError: 'defect'"
        await process.stop()

    told(story)


def test_one_that_never_says_that_it_serves_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mute = tmp_path / "mute"
    mute.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    mute.chmod(0o700)
    monkeypatch.setattr(keeper.sys, "executable", str(mute))
    monkeypatch.setattr(keeper, "START_SECONDS", 1.0)

    async def story() -> None:
        with pytest.raises(ChainEnded, match="did not serve within 1 s"):
            await ChainProcess.start(tmp_path / "chain", f"ipc://{tmp_path}/c")

    told(story)
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_one_that_cannot_open_the_chain_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "chain").write_text("a file")

    async def story() -> None:
        with pytest.raises(ChainEnded, match="did not start"):
            await ChainProcess.start(tmp_path / "chain", f"ipc://{tmp_path}/c")

    told(story)
