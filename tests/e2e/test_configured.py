"""Does what a person sets on a running node hold at once, and over a restart, and is what cannot be set refused?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.config import Config
from lnpd.config.given import Given
from lnpd.errors import ChannelTooLarge, LnpdError, OptionRefused, PluginNotFound, SettingRefused
from lnpd.services.node.node import Node
from lnpd.testing import Network, until_asked

pytest.importorskip("pbk")  # the embedded chain

HELLO = """
from lnpd_sdk.plugin import Plugin
plugin = Plugin("hello", "1")
plugin.option("greeting", str, "hi", help="what to say", dynamic=True)
plugin.option("place", str, "here", help="where")
plugin.run()
"""

REFUSED: dict[str, tuple[str, str, type[LnpdError], str]] = {
    "unknown": ("alais", "x", SettingRefused, "There is no option 'alais'; did you mean 'alias'?"),
    "read at the start": ("signer", "process", SettingRefused, "signer is read when the node starts: put it into "),
    "the directory": ("directory", "/tmp", SettingRefused, "config.toml, and start the node again."),
    "for tests": ("developer", "true", SettingRefused, "There is no option 'developer'"),
    "a table without a name": ("grants", "x", SettingRefused, "; its entries are grants.NAME"),
    "an entry of no table": ("alias.x", "x", SettingRefused, "There is no option 'alias.x'; did you mean 'alias'?"),
    "no number": ("fee_base_msat", "much", SettingRefused, "fee_base_msat, set by `lnp config set`, takes a whole"),
    "too much": ("minimum_depth", "145", SettingRefused, "takes a whole number from 1 to 144, not '145'"),
    "a rule": ("min_feerate_per_kw", "200000", SettingRefused, "--min-feerate-per-kw is above --max-feerate-per-kw."),
    "what peers were offered": ("max_channel_sat", "16777216", SettingRefused, "start the node again"),
    "no plugin": ("plugin.helo.greeting", "x", PluginNotFound, "helo"),
    "no plugin's option": ("plugin.hello", "x", SettingRefused, "The option of a plugin is plugin.NAME.OPTION"),
    "an unknown one": ("plugin.hello.greting", "x", OptionRefused, "did you mean 'greeting'?"),
    "one that it reads at its start": ("plugin.hello.place", "x", OptionRefused, "is read when it starts"),
}


async def row(node: Node, key: str) -> tuple[object, str]:
    (found,) = await node.api.config(key)
    return found.value, found.source


def test_what_is_set_holds_at_once_and_over_a_restart(tmp_path: Path) -> None:
    hello = tmp_path / "hello.py"
    hello.write_text(HELLO)
    options = {
        "plugins": (hello,),
        "plugin_options": (("hello", "place", "there"),),
        "given": (Given("plugin.hello.place", "--option", ("hello.place=there",), "file", "/c.toml, line 9"),),
    }

    async def story() -> None:
        async with Network(tmp_path / "n") as network:
            alice, bob = await network.node("alice", **options), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000, 250_000)
            await sets(alice, bob, channel)
            for case, (key, word, kind, sentence) in REFUSED.items():
                with pytest.raises(kind) as refused:
                    await alice.api.config_set(key, word)
                assert sentence in str(refused.value), case
            await network.stop(alice)
            alice = await network.node("alice", **options)
            await comes_back(alice)
            await network.stop(alice)
            alice = await network.node("alice", **options, htlc_maximum_msat=5)
            assert await row(alice, "htlc_minimum_msat") == (1, "default"), "7 does not fit any more, and is left out"

    asyncio.run(story())


async def sets(alice: Node, bob: Node, channel: str) -> None:
    assert await row(alice, "alias") == ("alice", "default")
    assert (await alice.api.config_set("alias", "Alice!")).source == "set"
    assert (await alice.api.info()).alias == "Alice!" and await row(alice, "alias") == ("Alice!", "set")

    await alice.api.config_set("fee_base_msat", "77")
    await alice.api.config_set("htlc_minimum_msat", "7")

    async def told() -> bool:
        theirs = (await bob.api.relay(channel)).theirs
        return theirs is not None and (theirs.fee_base_msat, theirs.htlc_minimum_msat) == (77, 7)

    await until_asked(told, "the peer hears of the fee")
    assert (await alice.api.relay(channel)).ours.fee_base_msat == 77

    await alice.api.config_set("max_channel_sat", "50000")
    with pytest.raises(ChannelTooLarge, match="at most 50,000"):
        await alice.api.open(bob.node_id.hex(), 60_000, 0, "", (), None)
    assert [each.value for each in (await alice.api.info(limits=True)).limits if each.name == "max_channel_sat"] == [
        50_000
    ]
    assert await row(alice, "max_channel_sat") == (50_000, "set")
    (now,) = await alice.api.config_unset("max_channel_sat")
    assert (now.value, now.source, now.place) == (16_777_215, "default", "limits = default")
    assert alice.channels.room.caps.limits.max_channel_sat == 16_777_215

    await alice.api.config_set("anchor_reserve_sat", "1000")
    assert alice.wallet.reserve_sat() == 1000, "of one channel with anchors"
    await alice.api.config_set("minimum_depth", "5")
    assert alice.channels.settings.demands.minimum_depth == 5

    (place,) = await alice.api.config("plugin.hello.place")
    assert (place.value, place.source, place.place, place.dynamic) == ("there", "file", "/c.toml, line 9", False)
    assert (await alice.api.config_set("plugin.hello.greeting", "ho")).value == "ho"
    assert [each.key for each in await alice.api.config("plugin.hello")] == [
        "plugin.hello.greeting",
        "plugin.hello.place",
    ]
    assert await row(alice, "plugin.hello.greeting") == ("ho", "set")
    assert await alice.api.config("grants") == ()
    with pytest.raises(SettingRefused, match="did you mean 'grants'"):
        await alice.api.config("grant")


async def comes_back(alice: Node) -> None:
    assert await row(alice, "alias") == ("Alice!", "set") and (await alice.api.info()).alias == "Alice!"
    assert await row(alice, "fee_base_msat") == (77, "set") and alice.payments.relay._default.fee_base_msat == 77
    assert await row(alice, "max_channel_sat") == (16_777_215, "default")
    assert await row(alice, "plugin.hello.greeting") == ("ho", "set")
    await alice.api.config_unset("plugin.hello.greeting")
    assert await row(alice, "plugin.hello.greeting") == ("hi", "default")
    await alice.api.config_unset("alias")
    assert (await alice.api.info()).alias == "alice"
    configuration: Config = alice.tuning.config
    assert [each.key for each in configuration.given if each.source == "set"] == [
        "anchor_reserve_sat", "fee_base_msat", "htlc_minimum_msat", "minimum_depth",
    ]  # fmt: skip
