"""Which feature bits do plugins have, and which of them do `init` and our invoices offer (BOLT 9)?

Odd bits alone, of pairs from 256 on that nobody else claims: a compulsory one of a plugin's would keep every other node
away from this one.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from lnpd_sdk.manifest import ChannelTypeSpec, FeatureSpec, Manifest

from lnpd.errors import ManifestRefused
from lnpd.peer.greeting import OFFERED, Greeting
from lnpd.routing.invoice_fields import MAX_FIELD_WORDS
from lnpd.wire.features import BOLT9, Features, FeatureTable
from lnpd.wire.messages import Extension

CONTEXTS: Final = frozenset("INC9")
MAX_FEATURES: Final = 16  # of one plugin
MAX_PLUGIN_BIT: Final = 2**14 - 1  # an `init` with all of them stays within 2 kB
MAX_INVOICE_BIT: Final = 5 * MAX_FIELD_WORDS - 1  # what the field of an invoice holds (BOLT 11)
SAID: Final = "I9"  # where this node says what plugins have: it sends no announcements


class PluginFeatures(msgspec.Struct, frozen=True):
    """All features that are known, plugins' too, and the bits of theirs that `init` and our invoices offer."""

    table: FeatureTable = BOLT9
    offered: Features = Features()
    invoices: Features = Features()

    def added_to(self, greeting: Greeting, extensions: tuple[Extension, ...]) -> Greeting:
        """What a node says of itself with its plugins: these features and extensions, beside its own features."""
        features = greeting.features | self.offered
        return msgspec.structs.replace(greeting, extensions=extensions, features=features, table=self.table)


def check_features(manifest: Manifest, others: Iterable[Manifest]) -> None:
    """Raises ManifestRefused, and what with_features does; CatalogueClash names both owners."""
    owner, own = manifest.name, {spec.name for spec in manifest.features}
    if len(own) > MAX_FEATURES:
        raise ManifestRefused(f"{owner} declares over {MAX_FEATURES} features")
    for spec in manifest.features:
        if not 0 <= spec.bit <= MAX_PLUGIN_BIT or not spec.contexts or set(spec.contexts) - CONTEXTS:
            raise ManifestRefused(
                f"{owner}: the feature {spec.name[:40]!r} has a bit up to {MAX_PLUGIN_BIT}, and contexts of I, N, C, 9"
            )
        if "9" in spec.contexts and spec.bit | 1 > MAX_INVOICE_BIT:
            raise ManifestRefused(f"{owner}: {spec.name} is in invoices, which have bits up to {MAX_INVOICE_BIT}")
    _with(BOLT9, manifest)  # what they depend on may not leave with another plugin
    for spec in manifest.features:
        for needed in set(spec.depends_on) - own:
            if not BOLT9[needed].assumed and not OFFERED.offers(needed):
                raise ManifestRefused(f"{owner}: {spec.name} depends on {needed}, which this node does not offer")
        _check_dependencies(manifest, spec)
    table = BOLT9
    for each in (*others, manifest):
        table = _with(table, each)


def _check_dependencies(manifest: Manifest, spec: FeatureSpec) -> None:
    """Whoever reads a feature without what it depends on ends the connection, or does not pay."""
    own = {each.name: each.contexts for each in manifest.features}
    for needed in spec.depends_on:
        has = own[needed] if needed in own else SAID if BOLT9[needed].assumed else "I"
        if missing := (set(spec.contexts) & set(SAID)) - set(has):
            where = "an invoice" if "9" in missing else "init"
            raise ManifestRefused(f"{manifest.name}: {spec.name} depends on {needed}, which is not in {where} with it")


def check_taken(manifest: Manifest, kind: ChannelTypeSpec) -> None:
    """Raises ManifestRefused for a channel type that takes a feature which the plugin has not in `init`."""
    own = {spec.name for spec in manifest.features if "I" in spec.contexts}
    if unknown := set(kind.features) - own:
        raise ManifestRefused(
            f"{manifest.name}: the channel type {kind.name} takes the feature {min(unknown)[:40]!r}, which the plugin"
            " does not have in `init`"
        )


def offered_features(manifests: Iterable[Manifest]) -> PluginFeatures:
    """Of manifests that were checked."""
    table, specs = BOLT9, list[FeatureSpec]()
    for manifest in manifests:
        table = _with(table, manifest)
        specs += manifest.features
    init, invoices = (Features.of(*(spec.bit | 1 for spec in specs if where in spec.contexts)) for where in SAID)
    return PluginFeatures(table, init, invoices)


def _with(table: FeatureTable, manifest: Manifest) -> FeatureTable:
    return table.with_features(manifest.name, map(_row, manifest.features)) if manifest.features else table


def _row(spec: FeatureSpec) -> str:
    return ",".join(("feature", str(spec.bit & ~1), spec.name, spec.contexts, *spec.depends_on))
