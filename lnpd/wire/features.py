"""What do two nodes offer and require of each other (BOLT 9)?

A feature is a pair of bits: the even one makes it compulsory, the odd one optional. A row says

    feature,16,basic_mpp,IN9,payment_secret      even bit, name, contexts, and the features that it depends on

with the contexts of BOLT 9: I init, N node_announcement, C channel_announcement, 9 BOLT 11 invoice, B blinded path,
T channel_type; with A the feature is ASSUMED: everybody has it, whether they say so or not. A plugin's rows are alike.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from lnpd.errors import (
    BadRow,
    CatalogueClash,
    FeatureRequiredByPeer,
    FeatureRequiredByUs,
    FeaturesNotMinimal,
    MissingFeatureDependency,
    ReservedNumber,
    UnknownChannelType,
    UnknownEvenFeature,
    UnknownFeatureName,
)

FIRST_CUSTOM_BIT = 256  # bLIP 2: those below are the specification's
MAX_BIT = 8 * 65535 - 1  # what a feature vector with a 2-byte length can hold

_ROW = re.compile(r"feature,(\d{1,6}),([a-z][a-z0-9_]{0,63}),([INC9BTA]*)((?:,[a-z][a-z0-9_]{0,63})*)")

BOLT9_ROWS = """\
feature,0,option_data_loss_protect,A
feature,4,option_upfront_shutdown_script,IN
feature,6,gossip_queries,
feature,8,var_onion_optin,A
feature,10,gossip_queries_ex,IN
feature,12,option_static_remotekey,A
feature,14,payment_secret,A
feature,16,basic_mpp,IN9,payment_secret
feature,18,option_support_large_channel,IN
feature,22,option_anchors,INT
feature,24,option_route_blinding,IN9
feature,26,option_shutdown_anysegwit,IN
feature,28,option_dual_fund,IN
feature,34,option_quiesce,IN
feature,36,option_attribution_data,IN9
feature,38,option_onion_messages,IN
feature,42,option_provide_storage,IN
feature,44,option_channel_type,A
feature,46,option_scid_alias,INT
feature,48,option_payment_metadata,9
feature,50,option_zeroconf,INT,option_scid_alias
feature,60,option_simple_close,IN,option_shutdown_anysegwit
feature,62,option_splice,IN
"""


class Feature(msgspec.Struct, frozen=True):
    """A row: `bit` is the even one of the pair. Without contexts it is known in each, as historic ones are."""

    bit: int
    name: str
    owner: str
    contexts: str = ""
    dependencies: tuple[str, ...] = ()
    assumed: bool = False

    @property
    def pair(self) -> int:
        """Both bits as a mask."""
        return 3 << self.bit

    def known_in(self, context: str) -> bool:
        """May the feature stand in that context?"""
        return self.assumed or not self.contexts or context in self.contexts


class FeatureTable(msgspec.Struct, frozen=True):
    """All features by name; unchanging. A plugin's rows make a larger one."""

    features: Mapping[str, Feature] = MappingProxyType({})
    owners: tuple[str, ...] = ()

    def with_features(self, owner: str, rows: str | Iterable[str], *, reserved: bool = False) -> "FeatureTable":
        """This table and one more owner's rows, which may not claim bits below 256 unless `reserved`.

        Raises BadRow, CatalogueClash (a bit or name that another owner has) and ReservedNumber.
        """
        if owner in self.owners:
            raise CatalogueClash(f"{owner} has its features here already: another {owner} cannot add to them")
        features = dict(self.features)
        bits = {feature.bit: feature for feature in features.values()}
        for row in rows.splitlines() if isinstance(rows, str) else rows:
            feature = _parse(owner, row)
            if feature.bit < FIRST_CUSTOM_BIT and owner != "bolt" and not reserved:
                raise ReservedNumber(
                    f"{owner} claims feature bit {feature.bit}: those below {FIRST_CUSTOM_BIT} are BOLT 9's"
                )
            for key, there in (
                (f"feature bit {feature.bit}", bits.get(feature.bit)),
                (f"feature name {feature.name}", features.get(feature.name)),
            ):
                if there:
                    raise CatalogueClash(
                        f"{key}: {there.owner} has it as {there.name}, {owner} claims it as {feature.name}"
                    )
            features[feature.name] = bits[feature.bit] = feature
        for feature in features.values():
            if missing := [name for name in feature.dependencies if name not in features]:
                raise BadRow(f"{feature.owner}: {feature.name} depends on {missing[0]}, which is no feature")
        return FeatureTable(MappingProxyType(features), (*self.owners, owner))

    def __getitem__(self, name: str) -> Feature:
        try:
            return self.features[name]
        except KeyError:
            raise UnknownFeatureName(f"{name} is no feature that is known here") from None

    def check(self, vector: "Features", context: str) -> None:
        """Check a received vector. Raises UnknownEvenFeature, MissingFeatureDependency."""
        present = [feature for feature in self.features.values() if vector.mask >> feature.bit & 3]
        known = sum(feature.pair for feature in present if feature.known_in(context))
        unknown = vector.mask & ~known & _even_bits(vector.mask)
        if unknown:
            raise UnknownEvenFeature(f"feature bit {_lowest(unknown)} is compulsory and not known in context {context}")
        for feature in present:
            for name in feature.dependencies:
                needed = self.features[name]
                if not needed.assumed and not vector.mask & needed.pair:
                    raise MissingFeatureDependency(f"{feature.name} is set without {name}")

    def negotiate(self, ours: "Features", theirs: "Features") -> "Features":
        """The features of a connection: what both offered, and what is assumed; even where either requires it.

        `theirs` has passed `check`. Raises FeatureRequiredByPeer, FeatureRequiredByUs.
        """
        assumed = sum(2 << feature.bit for feature in self.features.values() if feature.assumed)
        we_offer, they_offer = _offered(ours.mask | assumed), _offered(theirs.mask | assumed)
        for required, offered, error in (
            (theirs.mask & _even_bits(theirs.mask), we_offer, FeatureRequiredByPeer),
            (ours.mask & _even_bits(ours.mask), they_offer, FeatureRequiredByUs),
        ):
            if missing := required & ~offered:
                raise error(
                    f"{self.describe(_lowest(missing))} is compulsory for one side and not offered by the other"
                )
        both = we_offer & they_offer  # even bits, one a feature
        compulsory = both & (ours.mask | theirs.mask)
        return Features(compulsory | (both & ~compulsory) << 1)

    def describe(self, bit: int) -> str:
        """A bit as people read it: the name and the bit."""
        name = next((feature.name for feature in self.features.values() if feature.bit == bit & ~1), "feature")
        return f"{name} (bit {bit})"


class Features(msgspec.Struct, frozen=True):
    """A feature vector; bit n of `mask` is feature bit n."""

    mask: int = 0

    @classmethod
    def of(cls, *bits: int) -> "Features":
        """The vector with these bits."""
        return cls(sum(1 << bit for bit in set(bits)))

    @classmethod
    def from_bytes(cls, data: bytes, *, minimal: bool = False) -> "Features":
        """Read a vector, big-endian; leading zeros are refused if `minimal`. Raises FeaturesNotMinimal."""
        if minimal and data[:1] == b"\0":
            raise FeaturesNotMinimal("a feature vector begins with a zero byte")
        return cls(int.from_bytes(data, "big"))

    def to_bytes(self) -> bytes:
        """The shortest bytes of the vector."""
        return self.mask.to_bytes((self.mask.bit_length() + 7) // 8, "big")

    def bits(self) -> tuple[int, ...]:
        """The bits that are set, ascending."""
        return tuple(bit for bit, digit in enumerate(reversed(f"{self.mask:b}")) if digit == "1")

    def offers(self, name: str, table: FeatureTable | None = None) -> bool:
        """Is the feature set, as optional or compulsory? `table` is BOLT9 unless a plugin's features matter."""
        return bool(self.mask & (table or BOLT9)[name].pair)

    has = offers

    def requires(self, name: str, table: FeatureTable | None = None) -> bool:
        """Is the feature compulsory? With both bits set it is (BOLT 9)."""
        return bool(self.mask >> (table or BOLT9)[name].bit & 1)

    def __or__(self, other: "Features") -> "Features":
        """Both vectors as one: what BOLT 1 asks for `globalfeatures` and `features`."""
        return Features(self.mask | other.mask)


class ChannelType(msgspec.Struct, frozen=True):
    """A channel_type: the commitment's format by name, and BOLT 2's two variants of it."""

    name: str
    scid_alias: bool = False
    zeroconf: bool = False

    def features(self) -> Features:
        """The type's feature vector, all bits even."""
        variants = {_SCID_ALIAS} if self.scid_alias else set()
        return Features.of(*CHANNEL_TYPES[self.name], *variants, *({_ZEROCONF} if self.zeroconf else set()))


CHANNEL_TYPES = {
    "static_remotekey": frozenset({12}),
    "anchors_zero_fee_htlc_tx": frozenset({12, 22}),
}
_SCID_ALIAS, _ZEROCONF = 46, 50


def channel_type(data: bytes) -> ChannelType:
    """The type in a `channel_type` record (BOLT 2, open_channel). Raises FeaturesNotMinimal, UnknownChannelType."""
    vector = Features.from_bytes(data, minimal=True)
    variants = 1 << _SCID_ALIAS | 1 << _ZEROCONF
    base = Features(vector.mask & ~variants)
    for name, bits in CHANNEL_TYPES.items():
        if base == Features.of(*bits):
            return ChannelType(name, bool(vector.mask >> _SCID_ALIAS & 1), bool(vector.mask >> _ZEROCONF & 1))
    raise UnknownChannelType(f"channel_type {data[:64].hex() or 'without any bit'} is none that is known here")


def _parse(owner: str, row: str) -> Feature:
    match = _ROW.fullmatch(row.strip())
    if match is None:
        raise BadRow(f"{owner}: row {row[:100]!r} is no feature,BIT,NAME,CONTEXTS and dependencies")
    bit, name, contexts, dependencies = int(match[1]), match[2], match[3], tuple(match[4].split(",")[1:])
    if bit % 2 or bit > MAX_BIT:
        raise BadRow(f"{owner}: {name}: bit {bit} is not the even bit of a pair up to {MAX_BIT}")
    return Feature(bit, name, owner, contexts.replace("A", ""), dependencies, "A" in contexts)


def _even_bits(mask: int) -> int:
    return int.from_bytes(b"\x55" * ((mask.bit_length() + 7) // 8), "big")


def _offered(mask: int) -> int:
    """The even bit of every pair that has a bit."""
    return (mask | mask >> 1) & _even_bits(mask)


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


BOLT9 = FeatureTable().with_features("bolt", BOLT9_ROWS)
"""The features of BOLT 9."""
