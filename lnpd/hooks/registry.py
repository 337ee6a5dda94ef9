"""Who owns what that a plugin can add: wire messages, features, providers, RPC methods, channel types, hooks?

A manifest is checked as a whole before anything of it is registered; what somebody already owns is refused with both
names. Everything is keyed by its owner, so that it leaves with its owner; but what a plugin once claimed nobody else
gets while it is away, for it may come back, and channels may wait for it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec
from lnpd_sdk.envelope import CONTRACT_VERSIONS
from lnpd_sdk.manifest import ChannelTypeSpec, Manifest, OptionSpec, RpcMethod, TopicSpec, wrong_moves
from lnpd_sdk.nearest import nearest
from lnpd_sdk.types import ProviderSpec, View
from msgspec.structs import replace

from lnpd.errors import (
    FundingRefused,
    MainRefused,
    ManifestRefused,
    ScriptRefused,
    SealSlotTaken,
    SealUncovered,
)
from lnpd.hooks.capabilities import kind_of, parameter_of, wrong_with
from lnpd.hooks.extending import Extendable, added, check_extensions
from lnpd.hooks.features import PluginFeatures, check_features, check_taken, offered_features
from lnpd.hooks.kinds import KINDS, HookKind
from lnpd.hooks.offered import check_offer, kinds_of
from lnpd.hooks.order import Wish, circle
from lnpd.hooks.proxy import Caller, PluginProxy, check_subscription
from lnpd.providers.types import BY_NAME, pin
from lnpd.tx.funding_types import check_type
from lnpd.tx.mains import check_mains, with_samples
from lnpd.tx.seals import check_seals
from lnpd.wire.catalogue import Catalogue

T = TypeVar("T")
CORE = "lnpd"
NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
# What a person types, and what scripts call: no spaces, no control characters, no option's dash.
METHOD = re.compile(r"[a-z][a-z0-9-]{0,63}(?: [a-z][a-z0-9-]{0,63})?")
PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,63}")
CHANNEL_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,31}/[a-z0-9_-]{1,63}")
TOPIC = re.compile(r"(?:[a-z][a-z0-9-]{0,31}/)?[a-z][a-z0-9_-]{0,63}")
MAX_ROWS = 100
LISTS = (
    "providers",
    "channel_types",
    "rpc",
    "hooks",
    "offers",
    "options",
    "notifications",
    "topics",
    "capabilities",
    "features",
)
MAX_PARAMETERS = 20
MAX_PINS = 8
MAX_TEXT = 1_000
MAX_MESSAGES = 64 * 1024
VIEW_FIELDS = frozenset(View.__struct_fields__)


class Owned(msgspec.Struct, frozen=True):
    """What one owner added."""

    manifest: Manifest
    proxy: PluginProxy
    grants: tuple[str, ...]


class Registry:
    """Everything that is registered, by name, and whose it is.

    `catalogue` has all wire messages that anybody claims, `spoken` those that are sent and understood: a plugin's only
    if it was granted `messages`.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._core = catalogue
        self.catalogue = self.spoken = catalogue
        self.owners: dict[str, Owned] = {}
        self._claims: dict[str, Manifest] = {}  # of all that were ever registered, by name
        self._core_providers: dict[str, ProviderSpec] = {}
        self._core_rpc: frozenset[str] = frozenset()
        self._extendable: Extendable = {}

    def claim_core(
        self, providers: tuple[ProviderSpec, ...], rpc: frozenset[str], extendable: Extendable | None = None
    ) -> None:
        """What the node itself owns; no plugin may take it. To `extendable` methods it may add parameters."""
        self._extendable = extendable or {}
        self._core_providers = {spec.name: spec for spec in providers}
        self._core_rpc = rpc

    def register(self, manifest: Manifest, call: Caller, grants: tuple[str, ...] = ()) -> Owned:
        """Checks a manifest as a whole, then registers all of it. ManifestRefused says what is wrong with it."""
        _check_shape(manifest)
        if manifest.name in self.owners:
            raise ManifestRefused(f"a plugin named {manifest.name} is registered already")
        others = {name: claimed for name, claimed in self._claims.items() if name != manifest.name}
        check_extensions(manifest, self._extendable)
        self._check_clashes(manifest, others)
        _check_order(manifest, others)
        self._with_messages(self._core, manifest)  # what they build upon may not leave with another plugin
        catalogue = self._with_claims({**others, manifest.name: manifest})
        check_features(manifest, others.values())
        kinds = {**KINDS, **kinds_of((manifest, *others.values()))}
        _check_subscribers(manifest, others.values(), kinds)
        owned = Owned(manifest, PluginProxy(manifest, call, kinds, grants), grants)
        self.catalogue = catalogue
        self.owners[manifest.name], self._claims[manifest.name] = owned, manifest
        self.spoken = self._spoken()
        return owned

    def unregister(self, name: str, released: bool = False) -> None:
        """Forgets all that an owner added; it stays claimed, unless it is `released`."""
        if self.owners.pop(name, None) is not None:
            self.spoken = self._spoken()
        if released and self._claims.pop(name, None) is not None:
            self.catalogue = self._with_claims(self._claims)

    # --- looking up
    def provider(self, name: str) -> tuple[str, ProviderSpec] | None:
        """The owner and the declaration of a provider."""
        if name in self._core_providers:
            return CORE, self._core_providers[name]
        return self._find(lambda m: {p.name: p for p in m.providers}, name)

    def rpc_method(self, name: str) -> tuple[str, RpcMethod] | None:
        """The owner, who may be away for now, and the declaration of a plugin's RPC method."""
        return next(((owner, row) for owner, row in self.rpc_methods() if row.name == name), None)

    def rpc_methods(self) -> tuple[tuple[str, RpcMethod], ...]:
        """Every plugin's RPC methods with their owners, of those too that are away for now."""
        return tuple((name, row) for name, manifest in self._claims.items() for row in manifest.rpc)

    def channel_type(self, name: str) -> tuple[str, ChannelTypeSpec] | None:
        """The owner and the declaration of a plugin's channel type."""
        return self._find(lambda m: {t.name: t for t in m.channel_types}, name)

    def type_of(self, base: str, providers: tuple[tuple[str, int], ...]) -> str:
        """The plugin's type that adds exactly these providers to a BOLT type, and pays to no scripts of its own; empty
        if there is none."""
        rows = (row for owned in self.owners.values() for row in owned.manifest.channel_types)
        plain = (row for row in rows if row.funding is None and row.main is None)
        return next((row.name for row in plain if (row.base, row.providers) == (base, providers)), "")

    def begins(self, provider: str, number: int) -> bool:
        """Whether a provider's state, at this format, begins with what its plugin says."""
        found = self.provider(provider)
        owner = self.owners.get(found[0]) if found else None
        types = owner.manifest.channel_types if owner else ()
        return any(provider in each.begins and (provider, number) in each.providers for each in types)

    def granted(self, owner: str, capability: str) -> str | None:
        """The parameter of a granted capability ("" if it has none), None if it was not granted."""
        owned = self.owners.get(owner)
        grants = owned.grants if owned else ()
        return next((parameter_of(grant) for grant in grants if kind_of(grant) == capability), None)

    def allows(self, owner: str, capability: str) -> bool:
        """Whether exactly this was granted, its parameter included."""
        owned = self.owners.get(owner)
        return owned is not None and capability in owned.grants

    def features(self) -> PluginFeatures:
        """What the plugins that are there, and may speak, add to `init`."""
        return offered_features(
            owned.manifest for name, owned in self.owners.items() if self.granted(name, "messages") is not None
        )

    def _spoken(self) -> Catalogue:
        catalogue = self._core
        for name, owned in self.owners.items():
            if self.granted(name, "messages") is not None:
                catalogue = self._with_messages(catalogue, owned.manifest)
        return catalogue

    def _find(self, rows: Callable[[Manifest], Mapping[str, T]], name: str) -> tuple[str, T] | None:
        for owner, owned in self.owners.items():
            if (row := rows(owned.manifest).get(name)) is not None:
                return owner, row
        return None

    # --- checking
    def _check_clashes(self, manifest: Manifest, others: Mapping[str, Manifest]) -> None:
        claims = {claim: owner for owner, claimed in others.items() for claim in self._claims_of(claimed)}
        claims |= {("the provider", name): CORE for name in self._core_providers}
        claims |= {("the RPC method", name): CORE for name in self._core_rpc}
        claims |= {("the group of commands", name.partition(".")[0]): CORE for name in self._core_rpc}
        for what, name in self._claims_of(manifest):
            if (owner := claims.get((what, name))) is not None:
                raise ManifestRefused(f"{manifest.name} claims {what} {name}, which {owner} owns")

    def _claims_of(self, manifest: Manifest) -> tuple[tuple[str, str], ...]:
        return (*_claims_of(manifest), *added(manifest, self._extendable))

    def _with_claims(self, claims: Mapping[str, Manifest]) -> Catalogue:
        catalogue = self._core
        for manifest in claims.values():
            catalogue = self._with_messages(catalogue, manifest)
        return catalogue

    @staticmethod
    def _with_messages(catalogue: Catalogue, manifest: Manifest) -> Catalogue:
        return catalogue.with_rows(manifest.name, manifest.messages) if manifest.messages else catalogue


def _claims_of(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """What only one may have, beside messages, which the catalogue checks."""
    return (
        *(("the provider", spec.name) for spec in manifest.providers),
        *(("the RPC method", method.name) for method in manifest.rpc),
        *(("the group of commands", manifest.name) for method in manifest.rpc if " " in method.name),
        *(("the channel type", kind.name) for kind in manifest.channel_types),
        *(("the topic", topic.name) for topic in manifest.topics),
        *(("the hook", offer.name) for offer in manifest.offers),
    )


def _check_subscribers(manifest: Manifest, others: Iterable[Manifest], kinds: Mapping[str, HookKind]) -> None:
    """A plugin that comes back may offer something else: those that take part already must fit it."""
    own = {offer.name for offer in manifest.offers}
    for other in others:
        for subscription in other.hooks:
            if subscription.name in own:
                check_subscription(other.name, subscription, kinds)


def _check_order(manifest: Manifest, others: Mapping[str, Manifest]) -> None:
    """Those too that are away for now: they come back with what they asked for."""
    every = (manifest, *others.values())
    for name in (subscription.name for subscription in manifest.hooks):
        rows = ((each.name, hook) for each in every for hook in each.hooks if hook.name == name)
        if found := circle([Wish(plugin, hook.before, hook.after) for plugin, hook in rows]):
            raise ManifestRefused(f"{manifest.name} closes a circle at the hook {name}: {found}")


def asked_by(manifest: Manifest) -> tuple[str, ...]:
    """The capabilities that a plugin asks for: those that it names, and the guarded hooks that it takes part in."""
    hooks = (f"hook:{each.name}" for each in manifest.hooks if each.name in KINDS and KINDS[each.name].guarded)
    return (*manifest.capabilities, *(each for each in hooks if each not in manifest.capabilities))


def _check_shape(manifest: Manifest) -> None:
    if not NAME.fullmatch(manifest.name) or manifest.name in (CORE, "bolt"):
        raise ManifestRefused(
            f"{manifest.name[:40]!r} cannot be a plugin's name: it begins with a letter, has only a to z, 0 to 9 and"
            " hyphens, and at most 32 of them"
        )
    if manifest.contract not in CONTRACT_VERSIONS:
        raise ManifestRefused(
            f"{manifest.name} speaks version {manifest.contract} of the contract, this node {CONTRACT_VERSIONS}"
        )
    if len(manifest.messages) > MAX_MESSAGES:
        raise ManifestRefused(f"{manifest.name} describes its messages in more than {MAX_MESSAGES} characters")
    _check_texts(manifest.name, manifest.version, manifest.help, *manifest.capabilities)
    for what in LISTS:
        rows = getattr(manifest, what)
        if len(rows) > MAX_ROWS:
            raise ManifestRefused(f"{manifest.name} declares {len(rows)} {what}, more than {MAX_ROWS}")
        names = [getattr(row, "name", row) for row in rows]
        if len(set(names)) != len(names):
            raise ManifestRefused(f"{manifest.name} declares one of its {what} twice")
    _check_rows(manifest)


def _check_rows(manifest: Manifest) -> None:
    for spec in manifest.providers:
        _check_provider(manifest.name, spec)
    for kind in manifest.channel_types:
        _check_channel_type(manifest.name, {spec.name for spec in manifest.providers}, kind)
        _check_sealed(manifest, kind)
        check_taken(manifest, kind)
    for method in manifest.rpc:
        _check_method(manifest.name, method)
    if wrong := wrong_moves(manifest.rpc):
        raise ManifestRefused(f"{manifest.name}: {wrong}")
    for option in manifest.options:
        _check_option(manifest.name, option)
    for offer in manifest.offers:
        check_offer(manifest.name, offer)
    for topic in manifest.topics:
        _check_topic(manifest.name, topic)
    for wanted in manifest.notifications:
        if not TOPIC.fullmatch(wanted):
            raise ManifestRefused(f"{manifest.name} hears of {wanted[:40]!r}, which cannot be a topic")
    for capability in manifest.capabilities:
        if why := wrong_with(capability):
            raise ManifestRefused(f"{manifest.name} asks for {capability[:40]!r}, which is not {why}")


def _check_texts(owner: str, *texts: str) -> None:
    for text in texts:
        if len(text) > MAX_TEXT or not text.isprintable():
            raise ManifestRefused(f"{owner}: {text[:40]!r}... is over {MAX_TEXT} characters long or not one line")


def _check_method(owner: str, method: RpcMethod) -> None:
    names = [parameter.name for parameter in method.parameters]
    if not METHOD.fullmatch(method.name):
        raise ManifestRefused(f"{owner}: {method.name[:40]!r} cannot be the name of an RPC method")
    group, _, second = method.name.partition(" ")
    if second and group != owner:
        raise ManifestRefused(f"{owner}: {method.name!r} has to begin with {owner}: a plugin's group is its name")
    if len(names) > MAX_PARAMETERS or len(set(names)) != len(names) or not all(map(PARAMETER.fullmatch, names)):
        raise ManifestRefused(
            f"{owner}: the parameters of {method.name} are over {MAX_PARAMETERS}, or one is named twice or oddly"
        )
    _check_texts(owner, method.help, method.result, method.example, *(each.help for each in method.parameters))


def _check_topic(owner: str, topic: TopicSpec) -> None:
    if not TOPIC.fullmatch(topic.name) or topic.name.partition("/")[0] != owner or "/" not in topic.name:
        raise ManifestRefused(f"{owner}: {topic.name[:40]!r} cannot be a topic's name, which is {owner}/TOPIC")
    _check_texts(owner, topic.help)


def _check_option(owner: str, option: OptionSpec) -> None:
    kinds = {"text": str, "integer": int, "number": float, "boolean": bool}
    if not PARAMETER.fullmatch(option.name) or type(option.default) is not kinds[option.kind]:
        raise ManifestRefused(f"{owner}: the option {option.name[:40]!r} has no good name or no good default")
    if option.secret and option.kind != "text":
        raise ManifestRefused(f"{owner}: the option {option.name} is a secret, and then a text")
    _check_texts(owner, option.help, str(option.default))


def _check_channel_type(owner: str, own: set[str], kind: ChannelTypeSpec) -> None:
    if not CHANNEL_TYPE.fullmatch(kind.name):
        raise ManifestRefused(f"{owner}: {kind.name[:40]!r} cannot be a channel type's name, which is PLUGIN/TYPE")
    names = [name for name, _ in kind.providers]
    if len(names) > MAX_PINS or len(set(names)) != len(names) or not all(map(NAME.fullmatch, names)):
        raise ManifestRefused(
            f"{owner}: the channel type {kind.name} pins over {MAX_PINS} providers, or one twice or of no good name"
        )
    if strangers := set(kind.begins) - (set(names) & own):
        raise ManifestRefused(
            f"{owner}: the channel type {kind.name} says that {min(strangers)[:40]!r} begins with a state, and pins no"
            " provider of its own of this name"
        )
    if kind.funding is not None:
        try:
            check_type(kind.funding)
        except (FundingRefused, ScriptRefused) as error:
            raise ManifestRefused(f"{owner}: the funding of the channel type {kind.name}: {error}") from None
    if kind.main is not None:
        try:
            check_mains(with_samples(kind.main, kind.funding.keys if kind.funding else ()))
        except (MainRefused, ScriptRefused) as error:
            raise ManifestRefused(f"{owner}: the main outputs of the channel type {kind.name}: {error}") from None


def _check_sealed(manifest: Manifest, kind: ChannelTypeSpec) -> None:
    """What a node would say when such a channel is to be opened, as far as the manifest shows it."""
    own = {spec.name: spec for spec in manifest.providers}
    pins = [pin(own[name], number) for name, number in kind.providers if name in own and number in own[name].formats]
    try:
        check_seals(replace(BY_NAME[kind.base], providers=tuple(pins)))
    except (SealSlotTaken, SealUncovered) as error:
        raise ManifestRefused(f"{manifest.name}: there can be no channel of the type {kind.name}: {error}") from None


def _check_provider(owner: str, spec: ProviderSpec) -> None:
    if not NAME.fullmatch(spec.name):
        raise ManifestRefused(f"{owner}: {spec.name[:40]!r} cannot be a provider's name")
    if not 1 <= len(spec.formats) <= MAX_ROWS or any(not 0 <= number < 65536 for number in spec.formats):
        raise ManifestRefused(f"{owner}: the provider {spec.name} needs commitment formats from 0 to 65535")
    phases = [phase.name for phase in spec.phases]
    if len(set(phases)) != len(phases):
        raise ManifestRefused(f"{owner}: the provider {spec.name} declares a phase twice")
    for phase in spec.phases:
        if unknown := set(phase.view_fields or ()) - VIEW_FIELDS:
            near = nearest(min(unknown), VIEW_FIELDS)
            raise ManifestRefused(
                f"{owner}: the provider {spec.name} depends on {min(unknown)[:40]!r}, not in a view{near}"
            )
    if len(spec.observes) > MAX_ROWS:
        raise ManifestRefused(f"{owner}: the provider {spec.name} observes more than {MAX_ROWS} others; `*` is all")
    if not 0 <= spec.max_outputs <= 64 or not 0 <= spec.max_weight <= 100_000 or not 0 <= spec.seal_length <= 80:
        raise ManifestRefused(
            f"{owner}: the provider {spec.name} declares limits outside 64 outputs, 100,000 weight units and a seal"
            " of 80 bytes"
        )
    if spec.seals and (not spec.seal_length or "seal" not in phases or len(set(spec.seals)) != len(spec.seals)):
        raise ManifestRefused(
            f"{owner}: the provider {spec.name} seals transactions, which takes the phase seal, a seal_length, and each"
            " place once"
        )
    if spec.holds and not {"close", "claim"} <= set(spec.seals):
        raise ManifestRefused(f"{owner}: the provider {spec.name} holds what comes home, so it seals close and claim")
