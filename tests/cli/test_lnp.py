"""Does `lnp` do what it is told, say in one line what went wrong, and start fast?"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnpd.cli import lnp
from lnpd.cli.exits import LNP_EXITS, exit_of
from lnpd.cli.qr import QUIET_MODULES
from lnpd.errors import RefusedByNode
from lnpd.rpc.commands import COMMANDS
from tests.services.rpc.small_node import CHANNEL_ID, NODE_ID, PEER_ID, SmallNode, in_thread

INVOICE = "lnbcrt210n1" + "q" * 60


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[SmallNode, Path]]:
    with in_thread(tmp_path) as running:
        yield running, tmp_path


def lnp_of(directory: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the real program."""
    line = [sys.executable, "-m", "lnpd.cli.lnp", "--directory", str(directory), *words]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60)


def refused(done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("lnp: "), done.stderr
    assert words in done.stderr


def test_a_person_and_a_program_get_the_same_answer(node: tuple[SmallNode, Path]) -> None:
    _, directory = node
    human, machine = lnp_of(directory, "info"), lnp_of(directory, "info", "--json")
    assert (human.returncode, machine.returncode) == (0, 0)
    assert NODE_ID in human.stdout
    assert json.loads(machine.stdout)["node_id"] == NODE_ID
    assert lnp_of(directory, "--json", "info").stdout == machine.stdout


def test_a_commitment_is_drawn_and_is_data(node: tuple[SmallNode, Path]) -> None:
    _, directory = node
    words = ("commitment", "c3c3c3")
    drawn, data = lnp_of(directory, *words, "--theirs"), lnp_of(directory, *words, "--json")
    assert drawn.stdout.startswith("Commitment 42, the peer's: ") and drawn.stdout.isascii()
    assert "lockbox (plugin)" in drawn.stdout and CHANNEL_ID in drawn.stdout
    assert [output["provider"] for output in json.loads(data.stdout)["outputs"]].count("lockbox") == 1


def test_a_code_to_scan_comes_with_what_has_one(node: tuple[SmallNode, Path]) -> None:
    _, directory = node
    plain, scanned = lnp_of(directory, "address"), lnp_of(directory, "address", "--qr")
    assert scanned.stdout.startswith(plain.stdout) and scanned.stdout.count("\n") == 2 + 25 + 2 * QUIET_MODULES
    assert "##" in lnp_of(directory, "invoice", "coffee", "--qr").stdout
    assert lnp_of(directory, "address", "--qr", "--json").stdout.startswith("{")
    refused(lnp_of(directory, "funds", "--qr"), 2, "Unrecognized arguments: --qr")


def test_amounts_may_have_units_and_ids_may_be_short(node: tuple[SmallNode, Path]) -> None:
    running, directory = node
    words = ["open", PEER_ID[:8].upper(), "0.0005btc", "--push-msat", "5sat", "--providers", "lockbox"]
    done = lnp_of(directory, *words)
    assert done.returncode == 0, done.stderr
    assert running.asked == [("open", PEER_ID, 50_000, 5_000, "", ("lockbox",), None)]


def test_a_route_is_given_hop_by_hop(node: tuple[SmallNode, Path]) -> None:
    running, directory = node
    named = f"{PEER_ID}@539268x845x1:1000:10:80"
    done = lnp_of(directory, "pay", INVOICE, "--route", NODE_ID, "--route", named, "--max-fee-msat", "2sat")
    assert done.returncode == 0, done.stderr
    assert running.asked == [("pay", (NODE_ID, named), 2_000)]
    assert "fulfilled" in lnp_of(directory, "forwards").stdout
    terms = lnp_of(directory, "--json", "relay", CHANNEL_ID[:6], "--fee-base-msat", "7")
    assert json.loads(terms.stdout)["ours"]["fee_base_msat"] == 7


def test_a_plugins_method_is_a_command(node: tuple[SmallNode, Path]) -> None:
    running, directory = node
    assert lnp_of(directory, "lockbox-put", CHANNEL_ID[:6], "7").returncode == 0
    assert running.asked == [("lockbox-put", {"channel": CHANNEL_ID, "amount_sat": 7})]
    open_it = ("open", PEER_ID[:8], "1000000")
    assert lnp_of(directory, *open_it, "--boxes", "3").returncode == 0
    assert running.asked[1:] == [("lockbox-with", {"peer": PEER_ID, "amount_sat": 1_000_000, "boxes": 3})]
    assert (
        "has no parameter" not in (shown := lnp_of(directory, *open_it, "--bixes", "3").stderr) and "--boxes" in shown
    )
    assert "how many boxes are in it (lockbox's)" in " ".join(lnp_of(directory, "open", "--help").stdout.split())
    assert "--boxes" in lnp_of(directory, "help", "open").stdout
    assert "lockbox-put" in lnp_of(directory, "--help").stdout
    assert "which channel" in lnp_of(directory, "lockbox-put", "--help").stdout
    assert lnp_of(directory, "lockbox", "open", "key").returncode == 0
    assert running.asked[2:] == [("lockbox open", {"file": os.path.abspath("key")})]
    for words in (("lockbox", "--help"), ("help", "lockbox")):
        assert "lockbox open  Opens a box." in lnp_of(directory, *words).stdout
    assert "did you mean lockbox open?" in lnp_of(directory, "lockbox", "opne").stderr


# What a person can do wrong is test_wrong.py's; here are what needs a process, or a node with a defect.
WRONG: dict[str, tuple[list[str], int, str]] = {
    "unknown common option": (["--loud", "info"], 2, "--loud"),
    "unreachable peer": (["connect", f"{PEER_ID}@127.0.0.1:1"], 1, "Nobody answers at 127.0.0.1:1"),
    "blocked close": (["close", CHANNEL_ID], 1, "lockbox blocks the close"),
    "a defect of the node": (["fund", "1"], 6, "its log says how"),
    "too late": (["--timeout", "0.2", "pay", INVOICE, "--amount-msat", "13"], 4, "within 0.2 s"),
    "a newline in what is quoted": (["ping", "a\nb"], 2, "peer must be"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_clear_line_and_a_code(node: tuple[SmallNode, Path], case: str) -> None:
    words, code, sentence = WRONG[case]
    refused(lnp_of(node[1], *words), code, sentence)


def test_no_node_is_said_so(tmp_path: Path) -> None:
    refused(lnp_of(tmp_path, "info"), 3, f"No lnpd runs in {tmp_path}")
    refused(lnp_of(tmp_path), 3, "No lnpd runs")
    (tmp_path / "rpc.sock").touch()
    refused(lnp_of(tmp_path, "info"), 3, "No lnpd runs")
    refused(lnp_of(tmp_path / ("x" * 120), "info"), 3, "cannot be reached")


def test_a_program_is_told_of_a_refusal_in_json(node: tuple[SmallNode, Path]) -> None:
    done = lnp_of(node[1], "close", CHANNEL_ID, "--json")
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["name"] == "CloseBlocked"
    assert json.loads(done.stderr)["error"]["code"] == 20


def answering(directory: Path, answer: bytes) -> threading.Thread:
    """Something at the socket that answers one line with these bytes, then ends."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(directory / "rpc.sock"))
    listening.listen()

    def serve() -> None:
        connection, _ = listening.accept()
        connection.recv(1 << 16)
        connection.sendall(answer)
        connection.close()
        listening.close()

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "answer", [b"", b'{"jsonrpc"', b"HTTP/1.1 400\r\n\r\n", b"\xff\n", b"[" * 9000 + b"\n", b"7\n"]
)
def test_a_lost_or_strange_node_is_said_so(tmp_path: Path, answer: bytes) -> None:
    thread = answering(tmp_path, answer)
    refused(lnp_of(tmp_path, "info"), 5, "")
    thread.join(10)


def test_events_are_followed_until_the_reader_has_enough(node: tuple[SmallNode, Path]) -> None:
    running, directory = node
    line = [sys.executable, "-m", "lnpd.cli.lnp", "--directory", str(directory), "events", "--since", "0", "--json"]
    assert running.events is not None
    store = running.events._store
    for number in range(3):
        store.write_sync(lambda write, n=number: running.events.record(write, "payment", {"n": n}))  # type: ignore[misc,union-attr]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None and following.stderr is not None
        seen = [json.loads(following.stdout.readline()) for _ in range(3)]
        following.terminate()
        assert "Traceback" not in following.stderr.read()
    assert [event["payload"]["n"] for event in seen] == [0, 1, 2]


def begun(directory: Path, *words: str) -> "subprocess.Popen[str]":
    line = [sys.executable, "-m", "lnpd.cli.lnp", "--directory", str(directory), *words]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def recorded(node: SmallNode, number: int) -> None:
    events = node.events
    assert events is not None and node.loop is not None
    events._store.write_sync(lambda write: events.record(write, "payment", {"n": number}))
    node.loop.call_soon_threadsafe(events.stored)


def test_events_are_followed_through_the_nodes_restart_with_none_left_out_and_none_told_twice(tmp_path: Path) -> None:
    with in_thread(tmp_path) as node:
        recorded(node, 0)
        following = begun(tmp_path, "events", "--since", "0", "--json")
        assert following.stdout is not None and following.stderr is not None
        seen = [json.loads(following.stdout.readline())]
        recorded(node, 1)
        seen.append(json.loads(following.stdout.readline()))
    try:
        assert "is told once it is back" in following.stderr.readline()
        with in_thread(tmp_path) as node:
            recorded(node, 2)
            seen.append(json.loads(following.stdout.readline()))
            assert "The node is back" in following.stderr.readline()
    finally:
        following.kill()
        following.communicate()
    assert [event["payload"]["n"] for event in seen] == [0, 1, 2]


def test_a_shell_that_stops_the_node_says_when_it_has(tmp_path: Path) -> None:
    with in_thread(tmp_path) as node:
        shell = begun(tmp_path)
        assert shell.stdin is not None and node.loop is not None
        shell.stdin.write("stop\n")
        shell.stdin.close()
        shell.stdin = None
        asyncio.run_coroutine_threadsafe(node.stopped.wait(), node.loop).result(30)
        assert shell.poll() is None, "it answers still"
    told, wrong = shell.communicate(timeout=30)
    assert (shell.returncode, told.splitlines()[-1]) == (0, "lnpd stopped.") and "lost" not in wrong


def test_help_names_every_command_and_every_exit_code(tmp_path: Path) -> None:
    done = lnp_of(tmp_path, "--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"  {command.name} " in done.stdout
    for code, meaning in LNP_EXITS.items():
        assert f"{code:>3}  {meaning}" in done.stdout
    assert max(map(len, lnp_of(tmp_path, "open", "--help").stdout.splitlines())) <= 80
    assert lnp_of(tmp_path, "--version").stdout.startswith("lnp 0.")


@pytest.mark.parametrize(("code", "exit_code"), [(-32601, 2), (-32602, 2), (-32603, 6), (24, 4), (20, 1), (999, 1)])
def test_the_nodes_codes_become_exit_codes(code: int, exit_code: int) -> None:
    assert exit_of(RefusedByNode(code, "Name", "text")) == exit_code


def test_lines_of_standard_input_are_done_in_turn_up_to_the_first_that_fails(node: tuple[SmallNode, Path]) -> None:
    done = lnp_of(node[1], stdin="# a comment\n\ninfo --json\nhelp ping\nlnp peers --json\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"alias": "alice"' in done.stdout and "usage: ping" in done.stdout and PEER_ID in done.stdout
    for line, code in {"close ffffff": 1, "pley": 2, "unclosed 'quote": 2, "fund 1": 6}.items():
        done = lnp_of(node[1], stdin=f"help ping\n{line}\npeers\n")
        assert done.returncode == code and PEER_ID not in done.stdout
        assert done.stderr.endswith(f"lnp: stopped at line 2: {line}\n") and done.stderr.count("\n") == 2


def test_a_command_loads_neither_the_daemon_nor_the_shell(tmp_path: Path) -> None:
    program = (
        "import sys; from lnpd.cli import lnp; lnp.main(['--directory', sys.argv[1], 'info']);"
        "print(*sorted({m for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "lnpd.cli.lnp" in loaded
    heavy = {
        "asyncio",
        "zmq",
        "peewee",
        "coincurve",
        "embit",
        "prompt_toolkit",
        "pluggy",
        "logging",
        "lnpd.services.rpc.server",
    }
    assert not heavy & loaded
    own = {name for name in loaded if name.startswith(("lnpd.", "lnpd_sdk.")) and "lnpd.errors." not in name}
    assert len(own) <= 61, own  # what is loaded needlessly makes every command slower


def test_a_closed_pipe_is_no_error(node: tuple[SmallNode, Path]) -> None:
    for words in (["--help"], ["connect", "--help"], ["info"]):
        reader, writer = os.pipe()
        os.close(reader)
        line = [sys.executable, "-m", "lnpd.cli.lnp", "--directory", str(node[1]), *words]
        done = subprocess.run(line, stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, ""), words


def test_main_returns_what_the_program_exits_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lnp.main(["--directory", str(tmp_path), "info"]) == 3
    assert "No lnpd runs" in capsys.readouterr().err
