"""What did a plugin ask for, what may it do, and how much of it has it done?"""

from lnpd.hooks.capabilities import CAPABILITIES, explained, in_effect, kind_of
from lnpd.hooks.registry import asked_by
from lnpd.services.node.services import Services
from lnpd.services.plugins.calls import Plugin
from lnpd.services.rpc.grants import GrantShown, GrantsShown


async def shown(services: Services, plugin: Plugin) -> GrantsShown:
    """Of a plugin, also of one that does not run."""
    asked = asked_by(plugin.manifest) if plugin.manifest else ()
    granted = services.plugins.granted(plugin, plugin.name)
    rows = [
        await _row(services, plugin, wish, next((g for g in granted if _fits(wish, g)), ""))
        for wish in dict.fromkeys(asked)
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
    used = await _paid(services, plugin.name, granted) if kind == "pay" and effective else ""
    why = "; ".join(explained(plugin.name, wishes, gifts))
    return GrantShown(kind, CAPABILITIES[kind].text, asked, granted, effective, used, f"{why}." if why else "")


async def _paid(services: Services, name: str, granted: str) -> str:
    spent, kept_msat = await services.payments.limited.standing(name)
    limit_msat = 1000 * int(granted.partition(":")[2])
    return (
        f"{spent.msat} msat paid in {spent.payments} payments, {kept_msat} msat on their way,"
        f" {max(0, limit_msat - spent.msat - kept_msat)} msat left"
    )
