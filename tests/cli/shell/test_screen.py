"""Does the shell stay calm? Wrong lines, 300 channels on a narrow screen, a node that ends, lines of earlier days."""

import asyncio
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnpd.cli.render import LINES, cells, render
from lnpd.rpc.client import Client
from lnpd.testing.many import many
from tests.cli.shell.terminal import Terminal, one_daemon, terminal
from tests.services.rpc.small_node import CHANNEL_ID, SmallNode, in_thread


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[SmallNode, Path]]:
    with in_thread(tmp_path) as running:
        yield running, tmp_path


@pytest.fixture
def shell(node: tuple[SmallNode, Path]) -> Iterator[Terminal]:
    with terminal(node[1]) as made:
        made.prompt()
        yield made


def test_what_is_wrong_is_a_line_and_the_shell_goes_on(shell: Terminal) -> None:
    shell.does("pley", "did you mean pay")
    shell.does("close c3c3c3 --yes", "lockbox blocks the close")
    shell.does("ping --help", "usage: lnp ping")
    shell.does("lnp decode --help", "usage: lnp decode")  # as a manual writes it
    shell.does("invoice 'half a quote", "a quote, or what follows a backslash, is missing")
    shell.does("set mood good", "nothing to set called 'mood'")
    shell.does("set events maybe", "takes on or off")
    shell.does("status now", "takes no words")
    shell.does("help keys", "Ctrl-R", "search the earlier lines")
    shell.types("half a line\x03")
    shell.prompt()
    shell.does("status", "! A channel is frozen.")
    shell.types("exit\r")
    assert shell.end() == 0
    assert "Traceback" not in shell.text


def test_lines_are_remembered_for_their_user_alone_and_secrets_are_not(node: tuple[SmallNode, Path]) -> None:
    directory = node[1]
    with terminal(directory) as first:
        first.prompt()
        first.does("info --json", '"alias": "alice"')
        first.does("plugin set lockbox password hunter2", "most")
        first.does(" peers", "127.0.0.1:9736")
        first.types("\x04")
        assert first.end() == 0
    path = directory / "lnp_history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "info --json\n"
    with terminal(directory) as second:
        second.prompt()
        second.types("\x12inf")
        second.shows("info --json")
        second.types("\r")
        second.until(lambda: second.prompt_line == "alice> info --json")
        second.types("\x01\x0binf")
        second.until(lambda: second.prompt_line == "alice> info --json", "the rest of an earlier line, in grey")
        second.types("\x05\r")
        second.shows('"node_id"')


def test_a_node_that_ends_is_a_line_too(tmp_path: Path) -> None:
    with in_thread(tmp_path), terminal(tmp_path) as shell:
        shell.prompt()
        shell.until(lambda: "block 101" in shell.bar)
        with_node = shell.does("channels", CHANNEL_ID[:8])
        assert "frozen" in with_node
        tmp_path.joinpath("rpc.sock").rename(tmp_path / "away")
        shell.does("info", "No lnpd runs")
        tmp_path.joinpath("away").rename(tmp_path / "rpc.sock")
        shell.does("info", "A channel is frozen.")


@pytest.fixture(scope="module", params=[0, 300])
def channels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a daemon with so many channels."""
    directory = tmp_path_factory.mktemp("many")
    asyncio.run(many(directory, request.param))
    with one_daemon(directory):
        yield directory


@pytest.mark.parametrize("columns", [80, 200])
def test_nothing_wraps_and_the_prompt_stays(channels: Path, columns: int) -> None:
    with Client(channels) as node, terminal(channels, rows=24, columns=columns) as shell:
        count = node.info().channels
        prompt = f"{node.info().alias}>"
        shell.prompt(prompt)
        shell.until(lambda: f"{count} channels" in shell.bar)
        for command in ("channels", "info", "funds", "peers", "plugin list"):
            shell.types(f"\x0c{command}\r")
            wanted = render(
                command.replace(" ", "."), node.call(command.replace(" ", ".")), columns, LINES
            ).splitlines()
            foldable = [line for line in wanted if max(map(cells, line.split()), default=0) < 64]  # an id stays whole
            assert max(map(cells, foldable)) <= columns
            last = [row for line in wanted for row in rows_of(line, columns)]
            shell.until(lambda last=last: follows(shell.lines, last[-10:]), f"{command} as it was rendered")  # type: ignore[misc]
            shell.until(lambda: shell.prompt_line == prompt and shell.bar == shell.lines[-1], "prompt and bar")
        shell.types("close \t\t")
        if count:
            shell.until(lambda: len(re.findall(r"normal, ours", shell.text)) > 5, "channels with what they are")
            assert "alice> close" in shell.text
        assert max(len(line) for line in shell.lines) <= columns


def rows_of(line: str, columns: int) -> list[str]:
    """The rows of a screen that a line takes."""
    return [line[at : at + columns].rstrip() for at in range(0, max(len(line), 1), columns)]


def follows(screen: list[str], wanted: list[str]) -> bool:
    """Whether lines stand on the screen one after the other."""
    return any(screen[at : at + len(wanted)] == wanted for at in range(len(screen)))
