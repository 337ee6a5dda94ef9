"""How does a plugin call a hook of its own?"""

from typing import Any, Final

from lnpd_sdk.services.hooks import HookAsked

from lnpd.errors import HookNotOwned
from lnpd.hooks.offered import check_fields
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer


async def call_hook(desk: Desk, plugin: Plugin, asked: HookAsked) -> list[object]:
    """Whoever waits for the answer in this trace is not asked."""
    kind = desk.hooks.kinds.get(asked.name)
    if kind is None or kind.owner != plugin.name:
        raise HookNotOwned(f"The plugin {plugin.name} does not offer the hook {asked.name[:80]!r}.")
    check_fields(kind, asked.fields)
    params = {name: asked.fields[name] for name in kind.fields}
    if kind.kind == "gather":
        return await desk.hooks.gather(kind.name, **params)
    answer = await desk.hooks.chain(kind.name, None, **params)
    return [] if answer is None else [answer]


OFFERS: Final = (
    Offer(
        "call_hook",
        "",
        HookAsked,
        list[Any],
        "Calls a hook that the plugin offers; the answers of those that take part.",
        'answers = await node.call_hook("lamp/lit", room="hall")',
        call_hook,
        early=True,
    ),
)
