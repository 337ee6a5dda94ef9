"""Does `lnpd check` look into a database that no node has open, whatever it is, and leave it as it is?"""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lnpd.cli.exits import LNPD_EXITS
from lnpd.errors import DirectoryInUse
from lnpd.services.backup.copies import check_file
from lnpd.store.database import DATABASE_NAME
from lnpd.store.directory import LOCK_NAME
from lnpd.testing import Network, until
from tests.e2e.thief import loot


def run(*words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "lnpd", "check", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def of(directory: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in directory.iterdir() if each.is_file()}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the database of a node with a used channel; its directory is looked into while it runs, too."""
    folder = tmp_path_factory.mktemp("check")
    (folder / "usb").mkdir()
    made = folder / "usb" / "copied"

    async def main() -> None:
        async with Network(folder / "net") as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            name = await network.channel(alice, bob, 1_000_000, push_sat=300_000)
            for payer, payee in ((alice, bob), (bob, alice)):
                await payer.api.pay((await payee.api.invoice(1_000_000, "x", 3600)).invoice, None, 20)
            await until(lambda: not alice.channels.driver_of(name).channel.log, "the last payment's end")
            await alice.api.backup_database(str(made))
            with pytest.raises(DirectoryInUse):
                check_file(alice.config.directory / DATABASE_NAME)
            await network.stop(alice)
            assert check_file(alice.config.directory / DATABASE_NAME) == check_file(made)

    asyncio.run(main())
    return made


def test_a_good_copy(copy: Path) -> None:
    before = of(copy.parent)
    done = run(copy)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 channels and ") and done.stdout.endswith(
        " commitments looked at, and not against a chain: consistent\n"
    )
    assert of(copy.parent) == before


def test_an_ill_copy(tmp_path: Path, copy: Path) -> None:
    ill = tmp_path / "ill"
    ill.write_bytes(copy.read_bytes())
    with sqlite3.connect(ill) as connection:
        connection.execute("DELETE FROM record WHERE kind = 'commitment'")
    before = ill.read_bytes()
    done = run(ill)
    assert done.returncode == 21 and "is not kept. " in done.stdout and done.stdout.endswith("problems\n")
    assert ill.read_bytes() == before


WRONG = {
    "no file": (lambda path: None, 11, "cannot be read"),
    "another file": (lambda path: path.write_text("not a database at all" * 100), 11, "is damaged"),
    "an empty file": (lambda path: path.write_bytes(b""), 11, "is not a database of lnpd"),
    "another database": (lambda path: sqlite3.connect(path).execute("CREATE TABLE t (c)"), 11, "is not a database of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_database_of_lnpd(tmp_path: Path, case: str) -> None:
    make, code, text = WRONG[case]
    make(tmp_path / "file")
    done = run(tmp_path / "file")
    assert done.returncode == code and code in LNPD_EXITS
    assert len(done.stderr.splitlines()) == 1 and text in done.stderr


def test_a_directory_alone_and_against_its_chain(tmp_path: Path) -> None:
    """While the node does not run its peer closes, with a commitment that it has revoked."""

    async def main() -> None:
        async with Network(tmp_path / "net", apart=True) as network:
            alice = await network.node("alice", signer_process=False)
            bob = await network.node("bob", signer_process=False)
            name = await network.channel(alice, bob, 1_000_000, push_sat=300_000)
            stolen = await loot(bob)
            await bob.api.pay((await alice.api.invoice(1_000_000, "x", 3600)).invoice, None, 20)
            await until(lambda: not alice.channels.driver_of(name).channel.log, "the payment's end")
            where = f"--directory={alice.config.directory}"
            chain = f"--chain={network.endpoint}"

            async def asked(*words: str) -> tuple[int, str]:
                done = await asyncio.to_thread(run, *words)
                return done.returncode, done.stdout + done.stderr

            code, text = await asked(where)
            assert code == 10 and text.rstrip().endswith("`lnp check` asks it.")
            await network.stop(alice)
            before = {key: value for key, value in of(alice.config.directory).items() if key != LOCK_NAME}
            code, text = await asked(where)
            assert code == 0 and text.endswith(", and not against a chain: consistent\n")
            code, text = await asked(where, chain)
            assert code == 0 and text.endswith(", and against the chain: consistent\n")
            code, text = await asked(where, f"--chain=ipc://{network.folder}/nobody")
            assert code == 19 and "not against a chain: consistent\n" in text

            revoked = f"the peer's revoked commitment {stolen.kept.graph.number} ({stolen.commitment.txid[::-1].hex()})"
            await bob.channels.stop()  # a thief says nothing else
            await network.chain.broadcast((stolen.commitment.serialise(),))
            code, text = await asked(where, chain)
            assert code == 21 and f"channel {name}: {revoked} waits in the mempool. " in text
            await network.chain.mine(1)
            code, text = await asked(where, chain)
            assert code == 21 and f"its funding was spent while lnpd did not run, by {revoked}. Start lnpd" in text
            assert text.endswith("and against the chain: 1 problem\n")
            assert {key: value for key, value in of(alice.config.directory).items() if key != LOCK_NAME} == before

    asyncio.run(main())


def test_a_network_that_is_not_the_database_s(copy: Path) -> None:
    done = run(copy, "--network=signet", "--bitcoind=http://127.0.0.1:1")
    assert done.returncode == 16 and "belongs to the network regtest" in done.stderr
