"""Do feature vectors keep the rules of BOLT 9, alone and between two nodes?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import (
    BadRow,
    CatalogueClash,
    FeatureError,
    FeatureRequiredByPeer,
    FeatureRequiredByUs,
    FeaturesNotMinimal,
    MissingFeatureDependency,
    ReservedNumber,
    UnknownChannelType,
    UnknownEvenFeature,
    UnknownFeatureName,
)
from lnpd.wire.features import BOLT9, CHANNEL_TYPES, ChannelType, Features, channel_type
from tests.vectors import load

OURS = Features.of(0, 8, 12, 14, 23, 27, 44, 47)
STORM = BOLT9.with_features("storm", "feature,1000,storm_rooms,IN,option_quiesce")


@pytest.mark.parametrize(
    ("bits", "hex_"), [((), ""), ((0,), "01"), ((8,), "0100"), ((5, 7), "a0"), ((12, 22, 44), "100000401000")]
)
def test_bits_and_bytes(bits: tuple[int, ...], hex_: str) -> None:
    features = Features.of(*bits)
    assert features.to_bytes().hex() == hex_
    assert (
        Features.from_bytes(bytes.fromhex(hex_), minimal=True)
        == Features.from_bytes(bytes.fromhex("00" + hex_))
        == features
    )
    assert features.bits() == bits
    with pytest.raises(FeaturesNotMinimal):
        Features.from_bytes(bytes.fromhex("00" + hex_), minimal=True)


@given(st.sets(st.integers(0, 3000)))
def test_any_bits_there_and_back(bits: set[int]) -> None:
    features = Features.of(*bits)
    assert Features.from_bytes(features.to_bytes(), minimal=True) == features
    assert features.bits() == tuple(sorted(bits))


def test_offers_and_requires() -> None:
    features = Features.of(23, 44, 46, 47)
    assert features.offers("option_anchors") and not features.requires("option_anchors")
    assert features.has("option_channel_type") and features.requires("option_channel_type")
    assert features.requires("option_scid_alias")  # both bits set: compulsory
    assert not features.has("option_splice")
    with pytest.raises(UnknownFeatureName):
        features.has("option_anchor")
    assert Features.of(1001).offers("storm_rooms", STORM)


def test_globalfeatures_and_features_are_one() -> None:
    assert Features.of(0, 9) | Features.of(9, 12) == Features.of(0, 9, 12)


def test_the_table_is_that_of_the_vectors() -> None:
    features = load("features.json")["features"]
    assert len(features) == len(BOLT9.features) == 23
    for feature in features:
        row = BOLT9[feature["name"]]
        assert [row.bit, row.bit + 1] == feature["bits"]
        assert sorted(row.contexts) == sorted(feature["contexts"])
        assert (list(row.dependencies), row.assumed) == (feature["dependencies"], feature["assumed"])
    print("features.json: 23 assigned features")


def test_other_implementations_of_the_vectors() -> None:
    vectors = load("features.json")
    sets = vectors["known_init_sets"]
    assert len(sets) == 4
    for name, bits in sets.items():
        theirs = Features.of(*bits["required"], *bits["optional"], *bits.get("optional_if_configured", ()))
        BOLT9.check(theirs, "I")
        agreed = BOLT9.negotiate(OURS, theirs)
        assert agreed.has("option_anchors") and agreed.has("option_static_remotekey"), name
        assert agreed.requires("option_anchors") == (22 in bits["required"])
    assert len(vectors["unofficial"]) == 22
    for feature in vectors["unofficial"]:
        even, odd = feature["bits"]
        BOLT9.check(Features.of(odd), "I")
        with pytest.raises(UnknownEvenFeature, match=f"bit {even} "):
            BOLT9.check(Features.of(even, 4000), "I")
    print("features.json: 4 init sets negotiated, 22 unofficial features refused as compulsory")


@pytest.mark.parametrize(
    ("bits", "context", "error"),
    [
        ((100,), "I", UnknownEvenFeature),
        ((101,), "I", None),
        ((22,), "I", None),
        ((22,), "9", UnknownEvenFeature),  # BOLT 9 has no anchors in an invoice
        ((23,), "9", None),
        ((48,), "9", None),
        ((48,), "I", UnknownEvenFeature),
        ((8, 14, 16), "9", None),
        ((8, 14), "N", None),  # ASSUMED: in every context
        ((6,), "I", None),
        ((22,), "C", UnknownEvenFeature),
        ((12, 22, 46), "T", None),
        ((50,), "I", MissingFeatureDependency),
        ((47, 50), "I", None),
        ((61,), "I", MissingFeatureDependency),
        ((27, 61), "N", None),
        ((17,), "I", None),  # payment_secret is ASSUMED
    ],
)
def test_a_received_vector(bits: tuple[int, ...], context: str, error: type[FeatureError] | None) -> None:
    if error is None:
        BOLT9.check(Features.of(*bits), context)
        return
    with pytest.raises(error):
        BOLT9.check(Features.of(*bits), context)


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        ((23,), (23,), (23,)),
        ((23,), (22,), (22,)),
        ((22,), (23,), (22,)),
        ((23,), (), ()),
        ((22, 23), (23,), (22,)),
        ((23, 1001), (1001,), (1001,)),
    ],
)
def test_what_two_nodes_agree_on(ours: tuple[int, ...], theirs: tuple[int, ...], agreed: tuple[int, ...]) -> None:
    assumed = {1, 9, 13, 15, 45}
    assert set(STORM.negotiate(Features.of(*ours), Features.of(*theirs)).bits()) - assumed == set(agreed)
    assert set(STORM.negotiate(Features.of(*theirs), Features.of(*ours)).bits()) - assumed == set(agreed)


def test_what_one_side_requires_and_the_other_lacks() -> None:
    with pytest.raises(FeatureRequiredByPeer, match=r"option_splice \(bit 62\)"):
        BOLT9.negotiate(OURS, OURS | Features.of(62))
    with pytest.raises(FeatureRequiredByUs, match=r"option_splice \(bit 62\)"):
        BOLT9.negotiate(OURS | Features.of(62), OURS)
    with pytest.raises(FeatureRequiredByPeer, match=r"feature \(bit 1000\)"):
        BOLT9.negotiate(OURS, OURS | Features.of(1000))
    BOLT9.negotiate(Features.of(23), OURS)  # what is ASSUMED need not be said


@given(st.binary(max_size=300), st.sampled_from("INC9BT"))
def test_any_vector_is_checked_or_refused(data: bytes, context: str) -> None:
    features = Features.from_bytes(data)
    try:
        BOLT9.check(features, context)
        BOLT9.negotiate(OURS, features)
    except FeatureError:
        return
    known = {feature.bit for feature in BOLT9.features.values()}
    assert {bit for bit in features.bits() if bit % 2 == 0} <= known


def test_a_vector_as_long_as_a_message_is_no_burden() -> None:
    BOLT9.check(Features.from_bytes(b"\xaa" * 65000), "C")  # all odd
    with pytest.raises(UnknownEvenFeature):
        BOLT9.check(Features.from_bytes(b"\xff" * 65000), "C")


@pytest.mark.parametrize(
    ("bits", "type_"),
    [
        ((12,), ChannelType("static_remotekey")),
        ((12, 22), ChannelType("anchors_zero_fee_htlc_tx")),
        ((12, 46), ChannelType("static_remotekey", scid_alias=True)),
        ((12, 22, 46, 50), ChannelType("anchors_zero_fee_htlc_tx", scid_alias=True, zeroconf=True)),
        ((12, 22, 50), ChannelType("anchors_zero_fee_htlc_tx", zeroconf=True)),
    ],
)
def test_channel_types(bits: tuple[int, ...], type_: ChannelType) -> None:
    assert type_.features() == Features.of(*bits)
    assert channel_type(type_.features().to_bytes()) == type_


@pytest.mark.parametrize("bits", [(), (13,), (22,), (12, 20), (12, 23), (12, 22, 47), (12, 22, 1000), (46,)])
def test_other_channel_types_are_refused(bits: tuple[int, ...]) -> None:
    with pytest.raises(UnknownChannelType):
        channel_type(Features.of(*bits).to_bytes())


def test_a_channel_type_has_one_encoding() -> None:
    with pytest.raises(FeaturesNotMinimal):
        channel_type(b"\0" + Features.of(12).to_bytes())
    assert set(CHANNEL_TYPES) == {"static_remotekey", "anchors_zero_fee_htlc_tx"}


def test_a_plugins_features() -> None:
    assert (STORM["storm_rooms"].owner, STORM["storm_rooms"].dependencies) == ("storm", ("option_quiesce",))
    STORM.check(Features.of(1000, 35), "I")
    with pytest.raises(MissingFeatureDependency, match="storm_rooms is set without option_quiesce"):
        STORM.check(Features.of(1001), "I")
    with pytest.raises(UnknownEvenFeature):
        BOLT9.check(Features.of(1000), "I")


@pytest.mark.parametrize(
    ("owner", "row", "error", "words"),
    [
        (
            "dlc",
            "feature,1000,dlc_offers,IN",
            CatalogueClash,
            ["1000", "storm has it as storm_rooms", "dlc claims it as dlc_offers"],
        ),
        ("dlc", "feature,1002,storm_rooms,IN", CatalogueClash, ["storm_rooms", "storm has it", "dlc claims it"]),
        ("dlc", "feature,1002,basic_mpp,IN", CatalogueClash, ["basic_mpp", "bolt has it", "dlc claims it"]),
        ("storm", "feature,1002,more,IN", CatalogueClash, ["storm"]),
        ("bolt", "feature,1002,more,IN", CatalogueClash, ["bolt"]),
        ("dlc", "feature,200,dlc_offers,IN", ReservedNumber, ["dlc claims feature bit 200"]),
        ("dlc", "feature,1003,dlc_offers,IN", BadRow, ["dlc", "1003"]),
        ("dlc", "feature,999998,dlc_offers,IN", BadRow, ["dlc", "999998"]),
        ("dlc", "feature,1002,dlc_offers,IX", BadRow, ["dlc"]),
        ("dlc", "feature,1002,dlc_offers,I,nothing", BadRow, ["dlc_offers depends on nothing"]),
        ("dlc", "", BadRow, ["dlc"]),
    ],
)
def test_features_that_are_refused(owner: str, row: str, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as refused:
        STORM.with_features(owner, [row])
    for word in words:
        assert word in str(refused.value)


def test_a_draft_of_the_specification_says_so() -> None:
    assert (
        BOLT9.with_features("taproot", "feature,80,option_simple_taproot,INT", reserved=True)[
            "option_simple_taproot"
        ].bit
        == 80
    )
