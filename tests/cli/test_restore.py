"""Does `lnpd restore` bring back a directory from words and a file, say what is lost, and refuse in one line?"""

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lnpd.cli.exits import LNPD_EXITS
from lnpd.services.backup.file import BACKUP_NAME
from lnpd.services.signer.seed import open_seed
from lnpd.store.database import DATABASE_NAME
from lnpd.testing import Network

OTHER_WORDS = "abandon " * 11 + "about"


def restore(directory: Path, words: str, *more: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "lnpd", "restore", "--directory", directory, "--plain-seed", *more]
    return subprocess.run([str(each) for each in line], input=words + "\n", capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, str]:
    """The words of a node with a channel, its backup, and the channel's id."""
    folder = tmp_path_factory.mktemp("lost")

    async def main() -> str:
        async with Network(folder / "net") as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob)
            shown = await alice.api.backup()
            (file,), (held,) = shown.files, shown.channels
            assert (held.channel_id, held.peer, held.capacity_sat) == (channel, bob.node_id.hex(), 1_000_000)
            assert held.addresses == tuple(str(each) for each in bob.peers.listening())
            assert file.path.endswith(BACKUP_NAME) and 0 < file.size_bytes < 5_000 and not file.error
            assert 0 <= file.age_seconds < 60
            return channel

    channel = asyncio.run(main())
    words = open_seed(folder / "net" / "alice" / "seed", None, plain=True).text
    return words, folder / "net" / "alice" / BACKUP_NAME, channel


def test_a_node_is_brought_back(tmp_path: Path, lost: tuple[str, Path, str]) -> None:
    words, backup, channel = lost
    done = restore(tmp_path / "n", words, backup)
    assert done.returncode == 0, done.stderr
    assert channel in done.stdout and "only the lost database could claim: HTLCs" in done.stdout
    assert words not in done.stdout + done.stderr
    assert open_seed(tmp_path / "n" / "seed", None, plain=True).text == words
    for name in ("seed", DATABASE_NAME, f"signer/{DATABASE_NAME}"):
        assert stat.S_IMODE((tmp_path / "n" / name).stat().st_mode) == 0o600
    again = restore(tmp_path / "n", words, backup)
    assert again.returncode != 0 and len(again.stderr.splitlines()) == 1 and "has a seed" in again.stderr


def test_a_program_is_told_in_json_what_is_lost(tmp_path: Path, lost: tuple[str, Path, str]) -> None:
    words, backup, channel = lost
    told = json.loads(restore(tmp_path / "n", words, backup, "--json").stdout)
    assert [each["channel_id"] for each in told["lost_channels"]] == [channel]
    assert told["lost_channels"][0]["unclaimable"] and told["start"].startswith(f"lnpd --directory {tmp_path / 'n'}")


def test_without_a_file_it_says_what_the_words_alone_find(tmp_path: Path) -> None:
    done = restore(tmp_path / "n", OTHER_WORDS)
    assert done.returncode == 0, done.stderr
    assert "1000" in done.stdout and "not asked to close" in done.stdout
    assert (tmp_path / "n" / DATABASE_NAME).exists()


@pytest.mark.parametrize("what", ["another seed", "damaged", "no backup", "missing", "another network"])
def test_another_file_is_refused_and_nothing_is_made(tmp_path: Path, lost: tuple[str, Path, str], what: str) -> None:
    words, backup, _ = lost
    box = backup.read_bytes()
    file = tmp_path / "file"
    file.write_bytes({"damaged": box[:-1] + bytes([box[-1] ^ 1]), "no backup": b"hello"}.get(what, box))
    more: list[object] = ["--network", "signet"] if what == "another network" else []
    given = tmp_path / "nowhere" if what == "missing" else file
    done = restore(tmp_path / "n", OTHER_WORDS if what == "another seed" else words, *more, given)
    (code,) = (code for code, (_, kinds) in LNPD_EXITS.items() if any(k.__name__ == "BackupError" for k in kinds))
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "n").exists()
