"""Are plugins' feature bits theirs alone, and only such offered as a stranger may ignore?"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lnpd_sdk.manifest import ChannelTypeSpec, FeatureSpec, Manifest
from lnpd_sdk.plugin import Node as Host
from lnpd_sdk.plugin import Plugin

from lnpd.crypto import secp
from lnpd.errors import (
    CatalogueClash,
    ChannelRefused,
    InsufficientFunds,
    InvoiceFeatureUnknown,
    LnpdError,
    NoDirectChannel,
)
from lnpd.hooks.features import check_features, offered_features
from lnpd.hooks.registry import Registry
from lnpd.routing import invoice
from lnpd.routing.invoice import Invoice
from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from lnpd.wire.catalogue import CORE
from lnpd.wire.features import BOLT9, Features

RGB = FeatureSpec("rgb", 826, "IN", ("option_channel_type",))


def manifest(*features: FeatureSpec, name: str = "assets") -> Manifest:
    return Manifest(name=name, version="1", features=features)


async def nobody(_hook: str, _params: dict[str, object], _seconds: float) -> object:
    raise AssertionError("nobody calls it")


@pytest.mark.parametrize("bit", [826, 827])
def test_the_odd_bit_is_offered_in_init(bit: int) -> None:
    found = offered_features([manifest(FeatureSpec("rgb", bit)), manifest(FeatureSpec("x", 900, "N"), name="other")])
    assert found.offered == Features.of(827)
    assert found.table["rgb"].owner == "assets"
    found.table.check(Features.of(826), "I")  # a peer may require it of us now


def test_a_clash_names_both_and_stays_while_the_owner_is_away() -> None:
    registry = Registry(CORE)
    registry.register(manifest(RGB), nobody)
    for other, words in (
        (FeatureSpec("colours", 827), "feature bit 826: assets has it as rgb, other claims it as colours"),
        (FeatureSpec("rgb", 900), "feature name rgb: assets has it as rgb, other claims it"),
    ):
        with pytest.raises(CatalogueClash, match=words):
            registry.register(manifest(other, name="other"), nobody)
    registry.unregister("assets")
    with pytest.raises(CatalogueClash, match="assets has it"):
        registry.register(manifest(FeatureSpec("rgb", 900), name="other"), nobody)
    registry.register(manifest(RGB), nobody)


def test_only_who_may_speak_offers() -> None:
    registry = Registry(CORE)
    registry.register(manifest(RGB), nobody)
    assert (registry.features().offered, registry.features().table) == (Features(), BOLT9)
    registry.unregister("assets")
    registry.register(manifest(RGB), nobody, ("messages",))
    assert registry.features().offered == Features.of(827)
    registry.unregister("assets")
    assert registry.features().offered == Features()


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (FeatureSpec("rgb", 255), "below 256 are BOLT 9's"),
        (FeatureSpec("rgb", -2), "a bit up to 16383"),
        (FeatureSpec("rgb", 2**14), "a bit up to 16383"),
        (FeatureSpec("rgb", 826, "A"), "contexts of I, N, C, 9"),
        (FeatureSpec("rgb", 826, ""), "contexts of I, N, C, 9"),
        (FeatureSpec("R G B", 826), "is no feature,BIT,NAME"),
        (FeatureSpec("rgb", 826, "I", ("colour",)), "depends on colour, which is no feature"),
        (FeatureSpec("rgb", 826, "I", ("option_splice",)), "option_splice, which this node does not offer"),
        (FeatureSpec("option_splice", 826), "bolt has it as option_splice"),
        (FeatureSpec("rgb", 5_114, "9"), "in invoices, which have bits up to 5114"),
        (FeatureSpec("rgb", 826, "I9", ("option_quiesce",)), "option_quiesce, which is not in an invoice with it"),
    ],
)
def test_what_cannot_be_a_feature_is_refused(feature: FeatureSpec, words: str) -> None:
    with pytest.raises(LnpdError, match=words):
        check_features(manifest(feature), ())


def test_what_depends_on_another_stands_beside_it() -> None:
    """A reader of one without the other would end the connection, or not pay."""
    other = FeatureSpec("other", 900, "I")
    check_features(manifest(other, FeatureSpec("rgb", 826, "IN", ("other",))), ())
    with pytest.raises(LnpdError, match="depends on other, which is not in an invoice with it"):
        check_features(manifest(other, FeatureSpec("rgb", 826, "I9", ("other",))), ())
    with pytest.raises(LnpdError, match="depends on other, which is not in init with it"):
        check_features(
            manifest(msgspec.structs.replace(other, contexts="9"), FeatureSpec("rgb", 826, "I", ("other",))), ()
        )


def test_the_highest_bit_of_an_invoice_can_be_written() -> None:
    found = offered_features([manifest(FeatureSpec("rgb", 5_112, "9"))])
    assert (found.offered, found.invoices) == (Features(), Features.of(5_113))
    key = bytes(range(1, 33))
    draft = Invoice(
        network="bcrt",
        timestamp_seconds=0,
        payment_hash=bytes(32),
        payment_secret=bytes(32),
        payee=secp.public_key(key),
        description="",
        features=found.invoices,
    )
    text = invoice.encode(draft, lambda digest: secp.sign_recoverable(key, digest), found.table)
    assert invoice.decode(text).features == Features.of(5_113)


def test_there_are_not_too_many() -> None:
    with pytest.raises(LnpdError, match="over 16 features"):
        check_features(manifest(*(FeatureSpec(f"f{n}", 1000 + 2 * n) for n in range(17))), ())


def required(text: str) -> str:
    """An invoice of a stranger's, as this one, whose payer must have the feature."""
    key = bytes(range(1, 33))
    asked = msgspec.structs.replace(
        invoice.decode(text), features=Features.of(8, 14, 826), payee=secp.public_key(key), payment_hash=key
    )
    table = offered_features([manifest(FeatureSpec("rgb", 826, "9"))]).table
    return invoice.encode(asked, lambda digest: secp.sign_recoverable(key, digest), table)


async def featured(node: Node) -> list[str]:
    """A plugin with a feature, and what it was told of peers."""
    plugin, told = Plugin("assets", "1", capabilities=("messages",)), list[str]()
    plugin.feature("rgb", 826, "I9")
    plugin.channel_type(ChannelTypeSpec("assets/rgb", "anchors_zero_fee_htlc_tx", (), features=("rgb",)))

    @plugin.hook("peer_connected")
    def connected(_node: Host, features: str, **_fields: Any) -> None:
        told.append(features)

    await node.plugins.add_in_process(plugin)
    return told


def test_two_nodes_tell_each_other_and_a_third_ignores_it(tmp_path: Path) -> None:
    granted: dict[str, Any] = {"grants": (("assets", "messages"),)}

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **granted), await network.node("bob", **granted)
            carol = await network.node("carol")
            told, _ = await featured(alice), await featured(bob)
            await network.connect(alice, bob)
            await network.connect(alice, carol)
            await until(lambda: len(told) == 2, "both peers")
            assert [int(features, 16) >> 826 & 3 for features in told] == [2, 0]
            assert {p.node_id: 827 in p.negotiated.bits() for p in alice.peers.list()} == {
                bob.node_id: True,
                carol.node_id: False,
            }
            with pytest.raises(ChannelRefused, match=r"did not offer rgb \(feature bit 826\) .* assets/rgb takes it"):
                await alice.api.estimate_open(
                    carol.node_id.hex(), 100_000, 0, "assets/rgb", ()
                )  # a person is asked later
            with pytest.raises(InsufficientFunds):  # bob would be asked, if there were money
                await alice.api.estimate_open(bob.node_id.hex(), 100_000, 0, "assets/rgb", ())
            rows = (await alice.api.info(features=True)).features
            assert isinstance(rows, tuple)
            assert [(row.kind, row.said_in) for row in rows if row.name == "rgb"] == [("odd", ("init", "invoice"))]
            made = (await alice.api.invoice(1_000, "odd", 60)).invoice
            assert (await bob.api.decode(made)).feature_names[-1] == "rgb"
            assert (await carol.api.decode(made)).feature_names[-1] == "unknown"
            must = required(made)
            assert (await alice.api.decode(must)).feature_names[-1] == "rgb"
            with pytest.raises(NoDirectChannel):  # it could be paid, if there were a channel
                await alice.api.pay(must, None, 20)
            for who in (carol.api.pay(must, None, 20), carol.api.decode(must)):
                with pytest.raises(InvoiceFeatureUnknown, match="feature bit 826 is compulsory"):
                    await who
            await alice.plugins.plugins[0].stop()
            assert 827 not in alice.peers.greeting.features.bits()
            assert (
                "rgb"
                not in (await alice.api.decode((await alice.api.invoice(1_000, "gone", 60)).invoice)).feature_names
            )
            with pytest.raises(InvoiceFeatureUnknown):
                await alice.api.pay(must, None, 20)

    asyncio.run(main())
