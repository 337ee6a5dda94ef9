"""How does a plugin process stand in pluggy?

As an object whose hook attributes are generated from its manifest: real functions, for pluggy walks dir() and never
sees `__getattr__`. Each carries its specification as `__wrapped__`, from which pluggy takes the argument names.
"""

import inspect
from collections.abc import Awaitable, Callable

from lnpd_sdk.manifest import HookSubscription, Manifest

from lnpd.errors import ManifestRefused
from lnpd.hooks.kinds import KINDS, hookimpl
from lnpd.hooks.spec import HookSpecs

Caller = Callable[[str, dict[str, object]], Awaitable[object]]


class PluginProxy:
    """Stands for one plugin. `call(hook, params)` asks it, wherever it runs; what is late is its PluginFault."""

    def __init__(self, manifest: Manifest, call: Caller) -> None:
        self.name = manifest.name
        for subscription in manifest.hooks:
            setattr(self, subscription.name, _stub(manifest.name, subscription, call))


def _stub(owner: str, subscription: HookSubscription, call: Caller) -> Callable[..., Awaitable[object] | None]:
    if subscription.name not in KINDS:
        raise ManifestRefused(f"{owner} subscribes to {subscription.name!r}, which is not a hook of this node")
    spec = getattr(HookSpecs, subscription.name)
    names = list(inspect.signature(spec).parameters)[1:]
    for condition in subscription.filters:
        if condition.field not in names:
            raise ManifestRefused(f"{owner}: the hook {subscription.name} has no field {condition.field!r}")

    def stub(*args: object) -> Awaitable[object] | None:
        params = dict(zip(names, args, strict=True))
        if any(params[c.field] != c.equals for c in subscription.filters):
            return None
        return call(subscription.name, params)

    stub.__wrapped__ = spec  # type: ignore[attr-defined]  # what pluggy reads the argument names from
    marked: Callable[..., Awaitable[object] | None] = hookimpl(stub)
    return marked
