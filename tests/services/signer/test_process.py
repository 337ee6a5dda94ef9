"""Does a signer in a process of its own remember across its death, and is it the only one that opens the seed file?"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lnpd_sdk.types import ACCEPTOR, OPENER
from msgspec.structs import replace

from lnpd.crypto.hd import TEST_COIN, ChannelIndex, node_secret
from lnpd.crypto.secp import public_key
from lnpd.errors import (
    DatabaseFailed,
    DirectoryInUse,
    PlainSeedRefused,
    SeedFileExists,
    SeedFileMissing,
    SignerRefused,
    StoreHalted,
    WrongPassphrase,
)
from lnpd.services.interfaces import Signer
from lnpd.services.signer.durable import DurableSigner
from lnpd.services.signer.process import SignerProcess, Start, master_of
from lnpd.services.signer.seed import new_seed, seed_from_entropy
from lnpd.services.signer.service import KeySigner
from lnpd.store.store import Store
from tests.services.signer.signers import INDEX, Pair, htlc, keys_from, run_now

PASSPHRASE = "a passphrase of the test"
OPENED: list[str] = []  # every path that this process opens; an audit hook stays until the process ends
_hooked = False


def watch_opened_files() -> None:
    """Audit what is opened here, by whatever part of Python."""
    global _hooked
    if not _hooked:
        sys.addaudithook(lambda event, args: OPENED.append(str(args[0])) if event == "open" and args else None)
        _hooked = True


def of_process(pid: int, name: str) -> bytes:
    """A file that the kernel has about a process."""
    return Path(f"/proc/{pid}/{name}").read_bytes()


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that nobody waited for has."""
    try:
        return b" Z " not in of_process(pid, "stat")
    except (FileNotFoundError, ProcessLookupError):
        return False


def start_in(folder: Path, **changes: Any) -> Start:
    seed = seed_from_entropy(b"\x01" * 16)
    start = Start(
        seed_file=str(folder / "seed"),
        directory=str(folder / "signer"),
        network="regtest",
        endpoint=f"ipc://{folder}/signer.sock",
        passphrase=PASSPHRASE,
        create=seed,
    )
    return replace(start, **changes)


def pair_with(signer: Signer) -> Pair:
    return Pair(signers=(signer, KeySigner(keys_from(2))))


def test_a_channel_goes_through_a_signer_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    async def story() -> None:
        running = await SignerProcess.start(start_in(tmp_path))
        pair = await pair_with(running.signer).opened()
        theirs = await pair.graph(ACCEPTOR, 0)
        signed = await pair.sign(OPENER, theirs)
        await pair.hold(OPENER, await pair.graph(OPENER, 0))
        await pair.hold(OPENER, await pair.graph(OPENER, 1, (htlc(OPENER), htlc(ACCEPTOR, amount_msat=60_000_000))))
        secret = await pair.release(OPENER, 0)
        assert pair.records[OPENER] == {}  # it keeps its rows itself
        os.kill(running.pid, 9)
        assert await running.ended() == -9
        await running.stop()

        again = await SignerProcess.start(start_in(tmp_path, create=None))
        assert again.node_id == running.node_id == await again.signer.node_id()
        with pytest.raises(SignerRefused) as refused:
            await again.signer.prepare_release(INDEX[0], 0)
        assert refused.value.rule == "not_resumed"
        await again.signer.resume_channel(INDEX[0], 1, 0)
        assert await again.signer.sign_commitment(INDEX[0], theirs) == signed
        assert (await again.signer.release_secret(INDEX[0], 0)).per_commitment_secret == secret
        with pytest.raises(SignerRefused, match="revoked_broadcast"):
            await again.signer.prepare_broadcast(INDEX[0], 0)
        await again.stop()
        assert await again.ended() == 0

    run_now(story())


def test_only_the_signers_process_opens_the_seed_file(tmp_path: Path) -> None:
    watch_opened_files()
    probe = tmp_path / "probe"
    probe.write_bytes(b"")
    assert str(probe) in OPENED, "the audit hook sees nothing"
    OPENED.clear()

    async def story() -> None:
        running = await SignerProcess.start(start_in(tmp_path))
        expected = public_key(node_secret(seed_from_entropy(b"\x01" * 16).master(TEST_COIN)))
        assert await running.signer.node_id() == expected
        pair = await pair_with(running.signer).opened()
        await pair.hold(OPENER, await pair.graph(OPENER, 0))
        assert PASSPHRASE.encode() not in of_process(running.pid, "cmdline") + of_process(running.pid, "environ")
        await running.stop()

    run_now(story())
    seed = tmp_path / "seed"
    assert seed.stat().st_mode & 0o777 == 0o600
    assert not [path for path in OPENED if path.endswith("seed") or str(seed) in path]


def test_a_signer_ends_with_the_node_that_started_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, sys, msgspec\n"
        "from lnpd.services.signer.process import SignerProcess, Start\n"
        "async def main():\n"
        "    running = await SignerProcess.start(msgspec.json.decode(sys.stdin.buffer.read(), type=Start))\n"
        "    print(running.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    told = msgspec.json.encode(start_in(tmp_path))
    node = subprocess.run([sys.executable, "-c", program], input=told, capture_output=True, timeout=60)
    pid = int(node.stdout)

    async def gone() -> None:
        async with asyncio.timeout(20):
            while is_running(pid):
                await asyncio.sleep(0.02)

    run_now(gone())
    Store.open(tmp_path / "signer", "regtest").close_sync()  # its directory is free again


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"passphrase": "another one"}, WrongPassphrase),
        ({"create": new_seed()}, SeedFileExists),
        ({"seed_file": "/nowhere/seed"}, SeedFileMissing),
        ({"network": "bitcoin", "plain": True}, PlainSeedRefused),
        ({"network": "bitcoin", "node_secret": b"\x01" * 32}, PlainSeedRefused),
    ],
)
def test_a_start_that_fails_is_raised_in_the_node(tmp_path: Path, changes: dict[str, Any], error: type) -> None:
    master_of(start_in(tmp_path))
    with pytest.raises(error):
        run_now(SignerProcess.start(start_in(tmp_path, **{"create": None} | changes)))


def test_two_signers_do_not_share_a_directory(tmp_path: Path) -> None:
    async def story() -> None:
        running = await SignerProcess.start(start_in(tmp_path))
        with pytest.raises(DirectoryInUse):
            await SignerProcess.start(start_in(tmp_path, create=None, endpoint=f"ipc://{tmp_path}/other.sock"))
        await running.stop()

    run_now(story())


def test_what_could_not_be_stored_ends_the_signer(tmp_path: Path) -> None:
    cut: list[bool] = []

    def fault(moment: str, _points: frozenset[str]) -> None:
        if cut and moment == "before_commit":
            raise DatabaseFailed("The disk is full.")

    async def story() -> None:
        store = Store.open(tmp_path / "signer", "regtest", fault)
        signer = DurableSigner(keys_from(1), store)
        pair = await pair_with(signer).opened()
        commits = store.commits
        graph = await pair.graph(ACCEPTOR, 0)
        first = await pair.sign(OPENER, graph)
        assert await pair.sign(OPENER, graph) == first
        assert store.commits == commits + 1  # the same again is not written again
        await pair.hold(OPENER, await pair.graph(OPENER, 0))
        await pair.hold(OPENER, await pair.graph(OPENER, 1))
        cut.append(True)
        await signer.prepare_release(INDEX[0], 0)  # shows nothing, and writes nothing
        with pytest.raises((DatabaseFailed, StoreHalted)):
            await signer.release_secret(INDEX[0], 0)
        with pytest.raises(StoreHalted):
            await signer.release_secret(INDEX[0], 0)
        with pytest.raises(StoreHalted):
            await signer.sign_commitment(INDEX[0], graph)
        await store.close()

        cut.clear()
        again, store = DurableSigner.open(keys_from(1), tmp_path / "signer", "regtest")
        await again.resume_channel(INDEX[0], 1, 0)
        with pytest.raises(SignerRefused, match="release_unprepared"):
            await again.release_secret(INDEX[0], 0)
        assert await again.sign_commitment(INDEX[0], graph) == first
        await store.close()

    run_now(story())


def test_an_opening_that_came_to_nothing_is_forgotten_for_good(tmp_path: Path) -> None:
    async def story() -> None:
        signer, store = DurableSigner.open(keys_from(2), tmp_path / "signer", "regtest")
        counts = set()
        for turn in range(4):
            indices = (ChannelIndex(1, turn, 0), ChannelIndex(2, turn, 0))
            pair = await Pair(signers=(KeySigner(keys_from(1)), signer), indices=indices).opened()
            await pair.sign(ACCEPTOR, await pair.graph(OPENER, 0))  # as funding_signed does
            assert len(store.read_sync(lambda read: read.signer_states())) == 3
            await signer.forget_channel(indices[ACCEPTOR])
            await signer.forget_channel(indices[ACCEPTOR])
            counts.add((len(signer._names), len(signer._terms), len(signer._states), len(signer._fundings)))
            with pytest.raises(SignerRefused, match="unknown_channel"):
                await signer.sign_commitment(indices[ACCEPTOR], await pair.graph(OPENER, 0))
        assert counts == {(0, 0, 0, 0)}
        assert store.read_sync(lambda read: read.signer_states()) == []
        await store.close()

    run_now(story())
