"""Does a node start, stop, reload and set its plugins as it is told, and go on while one of them hangs?"""

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lnpd.config.build import built
from lnpd.config.listing import HIDDEN
from lnpd.config.sources import settle
from lnpd.config.table import OPTIONS
from lnpd.errors import OptionRefused, PluginNotFound, PluginNotRunning, PluginRefused
from lnpd.services.logs.secrets import SECRETS
from lnpd.services.node import configured
from lnpd.services.node.node import Node
from lnpd.services.node.plugins import PluginApi
from lnpd.services.node.services import Services
from lnpd.testing import Network, until
from tests.services.plugins.test_host import written

MOOD = """
    import logging

    greeting = plugin.option("greeting", str, "hello", "what it says", dynamic=True)
    most = plugin.option("most", int, 3)
    word = plugin.option("word", str, "", dynamic=True, secret=True)

    @plugin.on_option
    def changed(node, name, value):
        if value == "no":
            raise ValueError("not this")
        if name == "word":
            logging.getLogger('mood').warning("the word is %s", value)

    @plugin.hook("rpc_command", method="config.set")
    def commanded(node, params):
        logging.getLogger('mood').warning("set to %s", params)

    @plugin.rpc("Says what it has.")
    def say(node):
        return [greeting.value, most.value]
"""


def test_a_person_starts_sets_reloads_and_stops_a_plugin(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lnpd")
    path = written(tmp_path, MOOD, "mood")

    async def main() -> None:
        async with Network(tmp_path / "network") as network:
            shown = (("mood", "hook:rpc_command"),)
            node = await network.node("alice", plugin_options=(("mood", "most", "5"),), grants=shown)
            with pytest.raises(PluginNotFound):
                await node.api.plugin_reload("mood")
            started = await node.api.plugin_start(str(path))
            assert (started.name, started.status) == ("mood", "ready")
            with pytest.raises(PluginNotRunning, match="runs already"):
                await node.api.plugin_start("mood")
            rows = {row.option: (row.value, row.source) for row in await node.api.plugin_options(None)}
            said = {"greeting": ("hello", "default"), "most": (5, "lnpd --option"), "word": ("", "default")}
            assert rows == said
            set_to = await node.api.config_set("plugin.mood.word", "xyzzy-plugh")
            rows = await node.api.config(None)
            assert [row.value for row in (set_to, *rows) if row.key == "plugin.mood.word"] == [HIDDEN, HIDDEN]
            await node.api.permit("config.set", {"key": "plugin.mood.word", "value": "xyzzy-plugh"})
            await until(lambda: "set to" in caplog.text, "what the plugin was shown")
            assert HIDDEN in caplog.text and "'value': 'xyzzy" not in caplog.text
            assert "xyzzy-plugh" not in SECRETS.masked(caplog.text)
            with pytest.raises(OptionRefused, match="read when it starts"):
                await node.api.plugin_set("mood", "most", "4")
            with pytest.raises(PluginRefused, match="not this"):
                await node.api.plugin_set("mood", "greeting", "no")
            row = await node.api.plugin_set("mood", "greeting", "hi")
            assert (row.value, row.source) == ("hi", "lnp plugin set")
            reloaded = await node.api.plugin_reload("mood")
            assert reloaded.process not in (None, started.process)
            assert await node.api.call_plugin("mood-say", {}) == ["hi", 5]
            assert (await node.api.plugin_stop("mood")).status == "stopped"
            with pytest.raises(PluginNotRunning, match="does not run"):
                await node.api.plugin_options("mood")
            await network.stop(node)
            node = await network.node("alice", plugins=(path,))
            assert await node.api.call_plugin("mood-say", {}) == ["hi", 3]

    asyncio.run(main())


def test_what_a_person_started_is_started_with_the_node_until_it_is_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mood, given = written(tmp_path, MOOD, "mood"), written(tmp_path, "", "given")

    def names(node: Node) -> list[str]:
        return [plugin.name for plugin in node.plugins.plugins]

    async def main() -> None:
        async with Network(tmp_path / "network") as network:
            options = {"plugins": (given,), "plugin_options": (("mood", "most", "5"), ("moody", "most", "5"))}
            node = await network.node("alice", **options)
            assert caplog.text.count("options are given for the plugin") == 2  # nobody knows yet
            await node.api.plugin_start(str(mood))
            await node.api.plugin_stop("given")
            await node.api.plugin_start("given")
            caplog.clear()
            node = await network.restart(node)
            assert names(node) == ["given", "mood"]
            assert await node.api.call_plugin("mood-say", {}) == ["hello", 5]
            assert caplog.text.count("options are given for the plugin moody") == 1
            assert "plugin mood," not in caplog.text
            await node.api.plugin_stop("mood")
            await node.api.plugin_start("mood")
            node = await network.restart(node)
            assert names(node) == ["given", "mood"]
            await node.api.plugin_stop("mood")
            node = await network.restart(node)
            assert names(node) == ["given"]

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())


HANGS = """
    @plugin.hook("block_connected")
    def block(node, **fields):
        open(sys.argv[0] + ".hook", "w").close()
        time.sleep(1000)
"""
BUSY = """
    @plugin.rpc("Hangs.")
    def hang(node):
        open(sys.argv[0] + ".rpc", "w").close()
        time.sleep(1000)
"""


def test_payments_go_on_while_plugins_hang(tmp_path: Path) -> None:
    hangs, busy = written(tmp_path, HANGS, "hangs"), written(tmp_path, BUSY, "busy")

    async def main() -> None:
        async with Network(tmp_path / "network") as network:
            grants = (("hangs", "hook:block_connected"),)
            alice = await network.node("alice", plugins=(hangs, busy), grants=grants)
            bob = await network.node("bob")
            await network.channel(alice, bob, 1_000_000)
            asked = asyncio.create_task(alice.api.call_plugin("busy-hang", {}))
            await until(hangs.with_suffix(".py.hook").exists, "the hook hangs")
            await until(busy.with_suffix(".py.rpc").exists, "the RPC method hangs")
            for _ in range(3):
                invoice = await bob.api.invoice(10_000, "while they hang", 3600)
                paid = await asyncio.wait_for(alice.api.pay(invoice.invoice, None, 20), 20)
                assert paid.amount_msat == 10_000
            assert not asked.done()
            asked.cancel()

    asyncio.run(main())


def test_what_is_given_for_a_plugin_that_does_not_run_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('alias = "alice"\n[plugin.mood]\nword = "xyzzy"\n')
    settled, _ = settle({row.flag: None for row in OPTIONS if "lnpd" in row.programs}, {}, str(file))

    class Api:
        async def plugin_options(self, plugin: str | None) -> tuple[()]:
            return ()

    services = cast(Services, SimpleNamespace(config=built(settled)))
    rows = {row.key: row.value for row in asyncio.run(configured.shown(services, cast(PluginApi, Api()), None))}
    assert (rows["plugin.mood.word"], rows["alias"]) == (HIDDEN, "alice")
