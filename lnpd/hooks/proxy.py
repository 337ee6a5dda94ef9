"""How does a plugin process stand in pluggy?

As an object whose hook attributes are generated from its manifest: real functions, for pluggy walks dir() and never
sees `__getattr__`. Each carries its specification as `__wrapped__`, from which pluggy takes the argument names; a hook
that another plugin offers has none. pluggy keeps them, and never calls them: `ask` does (dispatch.py).
"""

import re
from collections.abc import Awaitable, Callable, Mapping

from lnpd_sdk.manifest import HookSubscription, Manifest
from lnpd_sdk.nearest import nearest

from lnpd.errors import ManifestRefused
from lnpd.hooks.filters import passes, unknown_field, wrong_with
from lnpd.hooks.kinds import KINDS, HookKind, hookimpl
from lnpd.hooks.spec import HookSpecs

# Asks a plugin: hook, its fields, seconds to its deadline.
Caller = Callable[[str, dict[str, object], float], Awaitable[object]]
OFFERED = re.compile(r"[a-z][a-z0-9-]{0,31}/[a-z][a-z0-9_-]{0,63}")
MAX_NAMES = 20  # of other plugins, or of fields, in one subscription


class PluginProxy:
    """Stands for one plugin. `call(hook, params, seconds)` asks it, wherever it runs; what is late is its PluginFault.

    `kinds` are all hooks that there are. With a grant missing it is in the hook, and never asked.
    """

    def __init__(
        self, manifest: Manifest, call: Caller, kinds: Mapping[str, HookKind] = KINDS, grants: tuple[str, ...] = ()
    ) -> None:
        self.name = manifest.name
        self.providers = frozenset(spec.name for spec in manifest.providers)
        self._call = call
        self.subscriptions = {each.name: each for each in manifest.hooks}
        for subscription in manifest.hooks:
            check_subscription(manifest.name, subscription, kinds)
            setattr(self, subscription.name, _stub(subscription.name))
        self.offered = {name: kind for name, kind in kinds.items() if kind.owner == manifest.name}
        self.refused = frozenset(
            name for name in self.subscriptions if name in kinds and not is_granted(kinds[name], grants)
        )

    def ask(self, kind: HookKind, params: dict[str, object]) -> Awaitable[object] | None:
        """Asks the plugin; None, at once, if it was not granted the hook, or a filter of its own does not hold."""
        filters = self.subscriptions[kind.name].filters
        if kind.name in self.refused or (filters and not passes(filters, params)):
            return None
        return self._call(kind.name, params, kind.deadline_seconds)


def _stub(hook: str) -> Callable[..., None]:
    def stub(*_args: object) -> None:
        raise AssertionError("pluggy keeps it, and dispatch asks")

    if (spec := getattr(HookSpecs, hook, None)) is not None:
        stub.__wrapped__ = spec  # type: ignore[attr-defined]  # what pluggy reads the argument names from
    marked: Callable[..., None] = hookimpl(stub)
    return marked


def is_granted(kind: HookKind, grants: tuple[str, ...]) -> bool:
    """Whether a plugin with these grants is asked."""
    return not kind.guarded or f"hook:{kind.name}" in grants


def check_subscription(owner: str, subscription: HookSubscription, kinds: Mapping[str, HookKind]) -> None:
    """Raises ManifestRefused for what is no hook, or cannot be filtered so.

    Another plugin's hook may not be there yet: it is looked at again when that plugin comes.
    """
    name = subscription.name
    kind = kinds.get(name)
    if kind is None and not OFFERED.fullmatch(name):
        raise ManifestRefused(
            f"{owner} subscribes to {name[:80]!r}, which is not a hook of this node{nearest(name, kinds)}"
        )
    if name.startswith(f"{owner}/"):
        raise ManifestRefused(f"{owner} subscribes to {name}, which is a hook of its own")
    rows = (subscription.filters, subscription.takes, (*subscription.before, *subscription.after))
    if any(len(row) > MAX_NAMES for row in rows):
        raise ManifestRefused(f"{owner}: over {MAX_NAMES} filters or names in one subscription to {name}")
    if kind and kind.filtered_by and all(each.field != kind.filtered_by for each in subscription.filters):
        raise ManifestRefused(f"{owner}: a subscription to {name} has a filter on its field {kind.filtered_by}")
    if kind is None:
        return
    whys = [wrong_with(condition, kind.fields) for condition in subscription.filters]
    for why in (*whys, *(unknown_field(field, kind.fields) for field in subscription.takes)):
        if why:
            raise ManifestRefused(f"{owner}: the hook {name} {why}")
