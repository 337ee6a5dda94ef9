"""Do `lnp rgb` commands of two nodes issue, ask for, send, take and count tokens, in the plugin's own processes?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lnpd.errors import PluginRefused
from lnpd.testing.pair import Pair, Side
from nia.consignment import TAIL_BYTES
from tests.interop.rgb import rgb_world

pytestmark = pytest.mark.lnpd_plugin("../../plugins/rgb.py")


def total(side: Side) -> list[tuple[str, int, int, int]]:
    """What a node has of each asset: settled, spendable, pending."""
    found = side.rpc("balance")["assets"]
    return [(row["ticker"], row["settled"], row["spendable"], row["pending"]) for row in found]


def refused(side: Side, method: str, **params: Any) -> str:
    """The sentence with which a command is refused."""
    with pytest.raises(PluginRefused) as told:
        side.rpc(method, **params)
    return str(told.value)


def test_tokens_go_from_node_to_node(pair: Pair, tmp_path: Path) -> None:
    world = rgb_world()
    alice, bob = pair.alice, pair.bob
    assert "no Electrum server is named" in alice.rpc("info")["problem"]
    assert "no Electrum server is named" in refused(alice, "issue", ticker="USDX", amount=1)
    for side in (alice, bob):
        pair.run(side.node.api.plugin_set("rgb", "electrum", world.electrum))
    with pytest.raises(PluginRefused, match="does not begin with tcp://"):
        pair.run(alice.node.api.plugin_set("rgb", "electrum", "127.0.0.1:50001"))
    assert "lnp rgb address" in refused(alice, "issue", ticker="USDX", amount=100_000)
    asyncio.run(world.fund(alice.rpc("address")["address"], 1_000_000))
    issued = alice.rpc("issue", ticker="USDX", amount=100_000, precision=2, name="US dollars")
    assert (issued["precision"], issued["supply"]) == (2, 100_000)
    asked = bob.rpc("request")["invoice"]
    assert "leaves the asset open: --asset" in refused(alice, "send", invoice=asked)
    assert "leaves the amount open: --amount" in refused(alice, "send", invoice=asked, asset="USDX")
    sent = alice.rpc("send", invoice=asked, asset="USDX", amount=1_200)
    assert total(alice) == [("USDX", 100_000, 0, -1_200)]
    assert "is no file that the plugin sees" in refused(bob, "receive", file=str(tmp_path))
    (tmp_path / "other").write_bytes(b"no consignment")
    assert "no consignment" in refused(bob, "receive", file=str(tmp_path / "other"))
    sound = Path(sent["consignment"]).read_bytes()
    at = len(sound) - TAIL_BYTES - 2  # in its last amount
    (tmp_path / "other").write_bytes(sound[:at] + b"\1" + sound[at + 1 :])
    assert "that proves itself" in refused(bob, "receive", file=str(tmp_path / "other"))
    (taken,) = bob.rpc("receive", file=sent["consignment"])
    assert (taken["amount"], taken["txid"], taken["asset_id"]) == (1_200, sent["txid"], issued["asset_id"])
    assert bob.rpc("info")["unfinished"] == 1
    asyncio.run(world.mine())
    assert (total(alice), total(bob)) == ([("USDX", 98_800, 98_800, 0)], [("USDX", 1_200, 1_200, 0)])
    pair.run(bob.node.api.plugin_reload("rgb"))  # another process has the wallet
    assert [(row["kind"], row["amount"], row["status"]) for row in bob.rpc("history")] == [
        ("received", 1_200, "settled")
    ]
    assert alice.rpc("consignment", txid=sent["txid"])["consignment"] == sent["consignment"]
    kept = alice.rpc("backup")
    assert len(Path(kept["words"]).read_text().split()) == 12
    assert Path(kept["words"]).stat().st_mode & 0o777 == 0o600
    assert b"USDX" not in Path(kept["backup"]).read_bytes()
