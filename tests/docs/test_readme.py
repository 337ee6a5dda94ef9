"""Does README.md tell the truth: do its plugins run, do its commands exist, do its links lead anywhere?"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import get_args

import pytest

from lnpd.cli.render import LINES, render
from lnpd.config.table import OPTIONS
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.rpc.commands import COMMANDS
from lnpd.services.node.node import Node
from lnpd.services.plugins.host import PluginHost
from lnpd.testing import Network, shown, until, until_asked
from lnpd.tx.graph import Method
from lnpd.wire.catalogue import CORE
from tests.cli.render.pictures import boxed
from tests.test_layers import LAYERS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
(PLUGIN,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PAGES = ROOT / "contrib" / "docs" / "pages"
MORE = "".join((PAGES / f"{name}.md").read_text() for name in ("running", "works", "shaping"))
(PROVIDER,) = re.findall(r"```python\n(.*?)```", MORE, re.DOTALL)
MOST_LINES = 200
EXPERIMENTAL = ("put no", "--experimental-mainnet", "no public gossip, BOLT 12, dual funding, splices or taproot")
PER_UPDATE = ("validate", "fold", "gate", "close")  # asked beside the pipeline
NOTE = {"plugins": (ROOT / "plugins" / "note.py",), "grants": (("note", "updates:0"),)}


async def hosted(folder: Path, path: Path, scenario: Callable[[PluginHost], Awaitable[None]]) -> None:
    """Runs a plugin's process under the node's own host."""
    host = PluginHost(folder / "run", Registry(CORE), Answers(), Hooks(), {})
    await host.start((path,))
    try:
        assert host.plugins[0].status == "ready", host.plugins[0].why
        await scenario(host)
    finally:
        await host.stop()


def test_the_plugin_in_the_readme_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "hello.py"
    path.write_text(PLUGIN)

    async def scenario(host: PluginHost) -> None:
        assert await host.call_rpc("hello", {"name": "Ada"}) == "Hello, Ada."
        await host.hooks.gather("peer_connected", node_id="02aa", features="")
        await until(lambda: "hello, 02aa" in caplog.text, "the line in the log")

    with caplog.at_level(logging.INFO):
        asyncio.run(hosted(tmp_path, path, scenario))


def test_the_plugin_in_the_readme_is_short_and_the_file_that_it_names() -> None:
    assert len(PLUGIN.splitlines()) <= 20
    assert (ROOT / "plugins" / "examples" / "hello.py").read_text().endswith(PLUGIN)


def test_the_readme_is_read_in_an_evening_and_says_what_is_experimental() -> None:
    assert len(README.splitlines()) <= MOST_LINES
    section = re.search(r"^## What is experimental\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
    assert section is not None
    told = " ".join(section[1].split())
    assert [words for words in EXPERIMENTAL if words not in told] == []


def test_the_picture_in_the_readme_is_what_the_program_draws() -> None:
    assert f"```\n{render('commitment', boxed(), 80, LINES)}\n```" in README


async def carries(node: Node, channel: str, script: str) -> bool:
    """Whether both commitments, as this node has them, hold an output of this script."""
    row = await shown(node, channel)
    return row is not None and [output.script for output in row.extension_outputs] == [script] * 2


def test_the_provider_that_is_shown_stands_in_both_commitments(tmp_path: Path) -> None:
    assert PROVIDER in (ROOT / "plugins" / "note.py").read_text()

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **NOTE), await network.node("bob", **NOTE)
            channel = await network.channel(alice, bob, kind="note/anchors")
            await alice.api.call_plugin("note-write", {"channel_id": channel, "note": "6d79206e6f7465"})
            carried = "6a20" + b"my note".ljust(32, b"\0").hex()
            for node in (alice, bob):
                await until_asked(lambda node=node: carries(node, channel, carried), "the note")  # type: ignore[misc]

    asyncio.run(main())


def test_every_command_and_option_that_is_shown_exists() -> None:
    methods = {command.name.split()[0] for command in COMMANDS} | {"note-write", "hello", "COMMAND"}
    used = set(re.findall(r"\blnp ([a-z][a-z-]+|COMMAND)", README + MORE))
    assert used - methods - {"lockbox-put"} == set()
    flags = {row.flag for row in OPTIONS} | {p.flag for command in COMMANDS for p in command.parameters}
    flags |= {"--json", "--help", "--keep", "--config", "--check-config"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README + MORE)) - flags == set()


def test_the_architecture_names_every_layer_folder_and_phase() -> None:
    picture = (ROOT / "ARCHITECTURE.md").read_text()
    names = [name for row in LAYERS for name in row if name not in ("lnpd", "lnpd_sdk")]
    assert [name for name in names if not re.search(rf"\b{name.split('.')[1]}\b", picture)] == []
    folders = [path.parent.name for path in (ROOT / "lnpd").glob("*/__init__.py")]
    assert [name for name in folders if f"     {name}/ " not in picture] == []
    assert [phase for phase in get_args(Method) if f"| {phase} |" not in picture and phase not in PER_UPDATE] == []


def test_the_changelog_names_every_command() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert [command.name for command in COMMANDS if not re.search(rf"\b{command.name}\b", changes)] == []


def test_every_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *PAGES.glob("*.md")):
        targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
        assert [target for target in targets if not (page.parent / target).exists()] == [], page
