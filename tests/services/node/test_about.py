"""Does a node name each feature that it says with its parity, and each limit with where it comes from?"""

import asyncio
from pathlib import Path

import pytest
from msgspec import UNSET, json
from msgspec.structs import replace

from lnpd.channel.presets import LIMITS, PRESETS
from lnpd.cli.render import render
from lnpd.peer.greeting import Greeting
from lnpd.services.node import about
from lnpd.services.payments.incoming import FEATURES
from lnpd.testing import Network
from lnpd.wire.features import BOLT9, Features


def test_every_bit_has_its_name_and_its_parity() -> None:
    rows = about.features(Greeting(bytes(32)), FEATURES)
    assert sorted(row.bit for row in rows) == [0, 5, 8, 12, 14, 23, 27, 35, 44, 47]
    for row in rows:
        assert row.kind == ("odd" if row.bit % 2 else "even")
        assert BOLT9[row.name].bit == row.bit & ~1
    by_name = {row.name: (row.kind, row.said_in) for row in rows}
    assert by_name["payment_secret"] == ("even", ("init", "invoice"))
    assert by_name["option_anchors"] == ("odd", ("init",))


def test_a_feature_that_an_owner_of_its_own_brought_has_its_name() -> None:
    table = BOLT9.with_features("lockbox", "feature,300,lockbox_boxes,IN")
    greeting = Greeting(bytes(32), features=Features.of(301), table=table)
    (row,) = about.features(greeting, Features())
    assert (row.name, row.bit, row.kind, row.said_in) == ("lockbox_boxes", 301, "odd", ("init",))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_limit_is_told_and_where_its_value_is_from(preset: str) -> None:
    told = about.limits(replace(PRESETS[preset], max_pending=17))
    assert [row.name for row in told] == [row.field for row in LIMITS]
    assert {row.preset for row in told if row.name != "max_pending"} == {preset}
    assert [(row.value, row.preset, row.unit) for row in told if row.name == "max_pending"] == [(17, "", "channels")]


def test_a_node_tells_them_where_they_are_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            limits = replace(PRESETS["cautious"], max_channel_sat=400_000)
            alice = await network.node("alice", limits=limits)
            plain = await alice.api.info()
            assert plain.features is UNSET and plain.limits is UNSET
            assert not {"features", "limits"} & set(json.decode(json.encode(plain)))
            info = await alice.api.info(features=True, limits=True)
            assert info.features == about.features(alice.peers.greeting, FEATURES)
            assert info.limits == about.limits(limits)
            shown = render("info", json.decode(json.encode(info)), 100)
            for line in ("option_anchors", "max_channel_sat", "400000", "cautious"):
                assert line in shown

    asyncio.run(main())
