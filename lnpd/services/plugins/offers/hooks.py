"""How does a plugin call a hook of its own, and decide about HTLCs that it holds?"""

from typing import Any, Final

from lnpd_sdk.services.hooks import HookAsked, HtlcFailed, HtlcSettled

from lnpd.errors import CapabilityMissing, HookNotOwned
from lnpd.hooks.offered import check_fields
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there

HTLCS: Final = "hook:htlc_accepted"


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


async def settle(desk: Desk, plugin: Plugin, wanted: HtlcSettled) -> None:
    """Only what it holds itself."""
    _require_htlcs(desk, plugin)
    await there(desk.payments).verdicts.settle(plugin.name, wanted.htlc, wanted.preimage)


async def fail(desk: Desk, plugin: Plugin, wanted: HtlcFailed) -> None:
    """Only what it holds itself."""
    _require_htlcs(desk, plugin)
    await there(desk.payments).verdicts.fail(plugin.name, wanted.htlc, wanted.code)


def _require_htlcs(desk: Desk, plugin: Plugin) -> None:
    owned = desk.registry.owners.get(plugin.name)
    if owned is None or HTLCS not in owned.grants:
        raise CapabilityMissing(
            f"The plugin {plugin.name} may not decide about HTLCs: start lnpd with --grant {plugin.name}={HTLCS}"
        )


OFFERS: Final = (
    Offer(
        "settle",
        "hook",
        HtlcSettled,
        None,
        "Ends the wait of an HTLC that the plugin holds, with its preimage or as the node would.",
        "await node.settle(htlc, preimage)",
        settle,
    ),
    Offer(
        "fail",
        "hook",
        HtlcFailed,
        None,
        "Fails an HTLC that the plugin holds.",
        'await node.fail(htlc, "incorrect_or_unknown_payment_details")',
        fail,
    ),
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
