"""What did a plugin ask for, what may it do, and how much of it has it done?"""

from collections.abc import Awaitable, Callable
from typing import Final

from lnpd.hooks.capabilities import CAPABILITIES, explained, in_effect, kind_of
from lnpd.hooks.registry import asked_by
from lnpd.rpc.answers import GrantShown, GrantsShown
from lnpd.services.node.services import Services
from lnpd.services.plugins.calls import Plugin


async def shown(services: Services, plugin: Plugin) -> GrantsShown:
    """Of a plugin, also of one that does not run."""
    asked = asked_by(plugin.manifest) if plugin.manifest else ()
    granted = services.plugins.granted(plugin, plugin.name)
    rows = [
        await _row(services, plugin, wish, grant)
        for wish in dict.fromkeys(asked)
        for grant in [each for each in granted if _fits(wish, each)] or [""]
    ]
    unasked = [grant for grant in granted if not any(_fits(wish, grant) for wish in asked)]
    rows += [await _row(services, plugin, "", grant) for grant in unasked]
    return GrantsShown(plugin.name, plugin.path, plugin.status, tuple(rows))


def _fits(asked: str, granted: str) -> bool:
    """Whether a grant is what was asked for, whatever its amount."""
    return bool(in_effect((asked,), (granted,))) or (kind_of(asked) == kind_of(granted) and asked == granted)


async def _row(services: Services, plugin: Plugin, asked: str, granted: str) -> GrantShown:
    wishes, gifts = (asked,) if asked else (), (granted,) if granted else ()
    kind = kind_of(asked or granted)
    effective = bool(in_effect(wishes, gifts))
    used = await USED[kind](services, plugin.name, int(granted.partition(":")[2])) if effective and kind in USED else ""
    why = "; ".join(explained(plugin.name, wishes, gifts))
    return GrantShown(kind, CAPABILITIES[kind].text, asked, granted, effective, used, f"{why}." if why else "")


async def _paid(services: Services, name: str, limit_sat: int) -> str:
    spent, kept_msat = await services.payments.limited.standing(name)
    left_msat = max(0, 1000 * limit_sat - spent.msat - kept_msat)
    paid = f"{spent.msat} msat paid in {spent.payments} payments"
    return f"{paid}, {kept_msat} msat on their way, {left_msat} msat left"


async def _spent(services: Services, name: str, limit_sat: int) -> str:
    lending = services.plugins.desk.lending
    spent_sat = await lending.spent_sat(name) if lending is not None else 0
    return f"{spent_sat} sat spent in the last day, {max(0, limit_sat - spent_sat)} sat left"


# How much of a limit is used up: what it says is kept in the store.
USED: Final[dict[str, Callable[[Services, str, int], Awaitable[str]]]] = {"pay": _paid, "spend": _spent}
