"""Do the real programs work together, and does each wrong start end in one line with its own exit code?"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnpd.bus.curve import kept_keys
from lnpd.errors import OnlyReads
from lnpd.rpc import Client, Remote
from lnpd.store.database import DATABASE_NAME
from tests.rpc.far_node import two_ports

pytest.importorskip("pbk")  # the embedded chain

ROOT = Path(__file__).resolve().parents[2]
WORDS = "abandon " * 11 + "about"
SECONDS = 60


def run(program: str, *words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", program, *map(str, words)]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=SECONDS)


class Daemon:
    """A running lnpd."""

    def __init__(self, directory: Path, *words: object) -> None:
        self.directory = directory
        self.log = directory.with_suffix(".log")
        line = [sys.executable, "-m", "lnpd", "--directory", directory, "--listen", "127.0.0.1:0", *words]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(list(map(str, line)), stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline()
        assert self.ready.startswith("lnpd is ready: "), self.log.read_text()
        self.address = self.ready.split()[-1]

    def ask(self, *words: object) -> object:
        done = run("lnpd.cli.lnp", "--directory", self.directory, "--json", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end(self) -> int:
        self.process.terminate()
        code = self.process.wait(15)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def seeded(directory: Path) -> Path:
    done = run("lnpd", "init", "--directory", directory, "--plain-seed", "--words", stdin=WORDS)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(seeded(tmp_path / "a"), "--plain-seed", "--alias", "alice")
    try:
        yield running
    finally:
        running.end()


def refused(code: int, sentence: str, *words: object) -> None:
    done = run("lnpd", *words)
    assert done.returncode == code, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("lnpd: ")]
    assert len(told) == 1 and sentence in told[0], done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_node_answers_mines_and_stops_when_it_is_told(tmp_path: Path) -> None:
    server, ours, port = seeded(tmp_path / "a") / "rpc-key", tmp_path / "phone.key", two_ports()
    public = {path: kept_keys(path).public for path in (server, ours)}
    far = ("--rpc-listen", f"127.0.0.1:{port}", "--rpc-reader", f"phone={public[ours].hex()}")
    node = Daemon(tmp_path / "a", "--plain-seed", "--plugin", ROOT / "plugins" / "lockbox.py", *far)
    assert node.ask("info")["plugins"] == ["lockbox"]  # type: ignore[index,call-overload]  # a JSON object
    assert node.ask("mine", "--blocks", "2")["height"] >= 2  # type: ignore[index,call-overload]
    assert node.ask("lockbox-list") == []
    with Client(Remote(f"tcp://127.0.0.1:{port}", public[server], ours)) as elsewhere:
        assert elsewhere.info().plugins == ("lockbox",) and elsewhere.history() == ()
        with elsewhere.events(since=0) as events, pytest.raises(OnlyReads):
            assert events.next(0.01) is None
            elsewhere.stop()
    assert node.ask("stop")["note"]  # type: ignore[index,call-overload]
    assert node.process.wait(15) == 0
    assert node.process.stdout is not None
    node.process.stdout.close()
    assert run("lnpd.cli.lnp", "--directory", tmp_path / "a", "info").returncode == 3
    assert "Traceback" not in node.log.read_text()


def test_sigterm_ends_it_within_five_seconds(tmp_path: Path) -> None:
    node = Daemon(seeded(tmp_path / "a"), "--plain-seed")
    began = time.monotonic()
    assert node.end() == 0
    assert time.monotonic() - began < 5


def test_what_another_lnpd_has_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    refused(10, "in use by another lnpd", "--directory", daemon.directory, "--plain-seed", "--listen", "none")
    other = seeded(tmp_path / "b")
    refused(15, daemon.address, "--directory", other, "--plain-seed", "--listen", daemon.address)
    done = run("lnpd.cli.lnp", "--directory", daemon.directory, "listen", daemon.address)
    assert done.returncode == 1 and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["connect", "02" + "a1" * 32 + "@127.0.0.1:1"], 1, "127.0.0.1:1"),
        (["ping", "02" + "a1" * 32], 1, ""),
        (["open", "02" + "a1" * 32, "1btc"], 1, ""),
        (["close", "a1" * 32], 1, ""),
        (["send", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "1btc"], 1, ""),
        (["send", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "1000"], 1, ""),
        (["decode", "lnbcrt1" + "q" * 100], 1, ""),
        (["pay", "lnbc1" + "q" * 100], 1, ""),
    ],
)
def test_a_real_node_refuses_in_one_line(daemon: Daemon, words: list[str], code: int, sentence: str) -> None:
    done = run("lnpd.cli.lnp", "--directory", daemon.directory, *words)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert sentence in done.stderr and done.stderr.startswith("lnp: ")
    assert "Traceback" not in daemon.log.read_text()


def test_a_wrong_node_id_is_said_so(daemon: Daemon, tmp_path: Path) -> None:
    other = Daemon(seeded(tmp_path / "b"), "--plain-seed", "--developer", "--dev-node-key", "07" * 32)
    try:
        stranger = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
        done = run("lnpd.cli.lnp", "--directory", daemon.directory, "connect", f"{stranger}@{other.address}")
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        node_id = other.ready.split()[3]
        assert daemon.ask("connect", f"{node_id}@{other.address}") == {"node_id": node_id, "address": other.address}
        assert daemon.ask("ping", node_id[:10])["node_id"] == node_id  # type: ignore[index,call-overload]
        daemon.ask("disconnect", node_id)
        assert daemon.ask("peers") == []
        known = daemon.ask("connect", node_id)  # without its address, which the node has kept
        assert known == {"node_id": node_id, "address": other.address}
        assert [row["node_id"] for row in daemon.ask("peers")] == [node_id]  # type: ignore[attr-defined]  # a JSON list
    finally:
        other.end()


def test_a_damaged_a_newer_and_another_networks_database_are_refused(tmp_path: Path) -> None:
    whole = seeded(tmp_path / "a")
    Daemon(whole, "--plain-seed").end()
    for case, code, sentence in (("damaged", 11, "A copy of it"), ("newer", 12, "9999"), ("network", 16, "testnet")):
        directory = tmp_path / str(code)  # a socket's path is short
        shutil.copytree(whole, directory, ignore=shutil.ignore_patterns("*.sock", "run"))
        path = directory / DATABASE_NAME
        if case == "damaged":
            path.write_bytes(b"not a database" * 1000)
        else:
            with sqlite3.connect(path) as connection:
                column = {"newer": "schema_version = 9999", "network": "network = 'testnet'"}[case]
                connection.execute(f"UPDATE header SET {column}")
            connection.close()
        refused(code, sentence, "--directory", directory, "--plain-seed", "--listen", "none")


def test_a_wrong_passphrase_is_refused(tmp_path: Path) -> None:
    for name, text in (("right", "correct horse"), ("wrong", "wrong horse")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    made = run("lnpd", "init", "--directory", tmp_path / "a", "--passphrase-file", tmp_path / "right")
    assert made.returncode == 0, made.stderr
    refused(13, "", "--directory", tmp_path / "a", "--passphrase-file", tmp_path / "wrong", "--listen", "none")
    refused(13, "", "--directory", tmp_path / "a", "--plain-seed", "--listen", "none")
    assert Daemon(tmp_path / "a", "--passphrase-file", tmp_path / "right").end() == 0


def test_a_chain_that_is_not_there_is_said_so_at_once(tmp_path: Path) -> None:
    words = ["--directory", seeded(tmp_path / "a"), "--plain-seed", "--listen", "none"]
    (tmp_path / "file").write_text("root:x:0:0")
    with socket.socket(socket.AF_UNIX) as dead, socket.socket(socket.AF_UNIX) as mute:
        dead.bind(str(tmp_path / "dead"))  # as a killed service leaves it
        mute.bind(str(tmp_path / "mute"))
        mute.listen()
        for name in ("nobody", "file", "dead", "mute"):
            began = time.monotonic()
            refused(19, f"ipc://{tmp_path}/{name}: start", *words, "--chain", f"ipc://{tmp_path}/{name}")
            assert time.monotonic() - began < 15, name


def children(pid: int) -> dict[str, int]:
    """The processes that one has started, by their programs' last words."""
    pids = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    lines = {each: Path(f"/proc/{each}/cmdline").read_bytes().decode().split("\0") for each in pids}
    return {line[line.index("-m") + 1]: each for each, line in lines.items() if "-m" in line}


def test_a_node_survives_its_chains_process_and_stops_without_it(tmp_path: Path) -> None:
    node = Daemon(seeded(tmp_path / "a"), "--plain-seed", "--chain-process")
    name = "lnpd.services.chain.process"
    first = children(node.process.pid)[name]
    os.kill(first, signal.SIGKILL)
    began = time.monotonic()
    assert node.ask("info")["height"] == 101  # type: ignore[index,call-overload]  # a JSON object
    assert time.monotonic() - began < 10
    while children(node.process.pid).get(name, first) == first:
        assert time.monotonic() - began < SECONDS, "no new chain process"
    assert node.ask("mine")["height"] == 102  # type: ignore[index,call-overload]
    assert "the chain's process ended with status -9; it is started again" in node.log.read_text()
    os.kill(children(node.process.pid)[name], signal.SIGSTOP)
    began = time.monotonic()
    assert node.end() == 0
    assert time.monotonic() - began < 8
    assert "did not stop" not in node.log.read_text()


def test_another_seed_or_another_chain_is_refused_by_name(tmp_path: Path) -> None:
    whole = seeded(tmp_path / "a")
    first = Daemon(whole, "--plain-seed")
    node_id = first.ready.split()[3]
    first.ask("mine")
    first.end()
    other = tmp_path / "b"
    shutil.copytree(whole, other, ignore=shutil.ignore_patterns("*.sock", "run"))
    (other / "seed").unlink()
    made = run("lnpd", "init", "--directory", other, "--plain-seed")
    assert made.returncode == 0, made.stderr
    words = ["--plain-seed", "--listen", "none", "--directory"]
    refused(16, f"belongs to the node {node_id}", *words, other)
    refused(16, f"belongs to the node {node_id}", "--signer", "process", *words, other)
    refused(16, f"belongs to the node {node_id}", "--developer", "--dev-seed", "05" * 16, *words, whole)
    refused(16, f"belongs to the node {node_id}", "--developer", "--dev-node-key", "07" * 32, *words, whole)
    (whole / "chain").rename(tmp_path / "chain")
    refused(16, "belongs to another regtest chain: block 102", *words, whole)
    shutil.rmtree(whole / "chain")
    (tmp_path / "chain").rename(whole / "chain")
    assert Daemon(whole, "--plain-seed").end() == 0, "with what it was made with it starts as before"


def test_the_same_node_key_over_another_wallet_is_refused(tmp_path: Path) -> None:
    words = ["--developer", "--dev-node-key", "07" * 32, "--dev-seed"]
    Daemon(tmp_path / "a", *words, "05" * 16).end()
    refused(16, "the wallet of another seed", *words, "06" * 16, "--directory", tmp_path / "a", "--listen", "none")


def test_everything_in_the_directory_is_its_users_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        node = Daemon(seeded(tmp_path / "a"), "--plain-seed", "--chain-process", "--signer", "process")
        node.ask("mine")
        node.end()
    finally:
        os.umask(before)
    found = [tmp_path / "a", *(tmp_path / "a").rglob("*")]
    assert any(path.name == "blocks.log" for path in found)
    assert not [path for path in found if path.lstat().st_mode & 0o077]


def test_with_a_signers_process_no_other_opens_the_seed_file(tmp_path: Path) -> None:
    """The daemon is watched by a hook that sees each file it opens."""
    watch = tmp_path / "watch.py"
    watch.write_text(
        "import sys\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('/seed'):\n"
        "        print('OPENED', args[0], flush=True)\n"
        "sys.addaudithook(hook)\n"
        "from lnpd.cli.daemon import main\n"
        "sys.exit(main())\n"
    )
    (tmp_path / "word").write_text("correct horse")
    (tmp_path / "word").chmod(0o600)
    words = ["--directory", seeded(tmp_path / "a"), "--passphrase-file", tmp_path / "word", "--listen", "none"]
    for where, opened in (("process", 0), ("in-process", 1)):
        line = [sys.executable, str(watch), *map(str, words), "--signer", where]
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 13 and "without a passphrase: --plain-seed allows" in done.stderr, done.stderr
        assert done.stdout.count("OPENED") == opened, where


def test_a_plugin_that_does_not_import_is_a_warning_and_not_an_end(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import a_module_that_does_not_exist\n")
    node = Daemon(seeded(tmp_path / "a"), "--plain-seed", "--plugin", path)
    try:
        (row,) = node.ask("plugin", "list")  # type: ignore[misc]  # a JSON list
        assert row["name"] == "broken" and row["status"] != "ready" and row["why"]
        assert any("broken" in warning for warning in node.ask("info")["warnings"])  # type: ignore[index,call-overload]
    finally:
        assert node.end() == 0


def test_an_address_that_is_no_ones_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(15, address, "--directory", seeded(tmp_path / "a"), "--plain-seed", "--listen", address)


def test_a_chain_of_another_network_is_refused(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "lnpd", "regtest", "--directory", str(tmp_path / "c")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as chain:
        assert chain.stdout is not None
        endpoint = chain.stdout.readline().split()[-1]
        made = run("lnpd", "init", "--directory", tmp_path / "a", "--network", "signet", "--plain-seed")
        assert made.returncode == 0, made.stderr
        words = ["--directory", tmp_path / "a", "--plain-seed", "--listen", "none", "--network", "signet"]
        try:
            refused(16, "The chain is regtest", *words, "--chain", endpoint)
        finally:
            chain.terminate()
