"""What does a running node answer about its configuration, its plugins' options included?"""

from typing import Final

from lnpd.config.change import known
from lnpd.config.given import Source
from lnpd.config.listing import HIDDEN, settings
from lnpd.errors import SettingRefused
from lnpd.rpc.answers import PluginOption, Setting
from lnpd.services.node.plugins import PluginApi
from lnpd.services.node.services import Services

PLUGIN: Final = "plugin."


async def shown(services: Services, api: PluginApi, key: str | None) -> tuple[Setting, ...]:
    """Every option, or one, or the entries of one; nothing where a table has none. What is given for a plugin that does
    not run may be a secret. Raises SettingRefused."""
    options = await api.plugin_options(None)
    plugins = [_of_plugin(services, each) for each in options]
    taken = {each.key for each in plugins}
    own = [
        Setting(
            each.key,
            HIDDEN if each.key.startswith(PLUGIN) else each.value,
            each.source,
            each.place,
            each.dynamic,
            each.help,
        )
        for each in settings(services.config)
        if each.key not in taken
    ]
    rows = (*own, *plugins)
    if key is None:
        return rows
    found = tuple(each for each in rows if each.key == key or each.key.startswith(f"{key}."))
    if not found and not _is_table(key):
        known(key)
    return found


async def set_to(services: Services, api: PluginApi, key: str, word: str) -> Setting:
    """Sets an option from now on."""
    if key.startswith(PLUGIN):
        await api.plugin_set(*_plugins(key), word)
    else:
        await services.tuning.set(key, word)
    return (await shown(services, api, key))[0]


async def unset(services: Services, api: PluginApi, key: str) -> tuple[Setting, ...]:
    """Takes back what was set."""
    if key.startswith(PLUGIN):
        await api.plugin_unset(*_plugins(key))
    else:
        await services.tuning.unset(key)
    return await shown(services, api, key)


def _plugins(key: str) -> tuple[str, str]:
    """The plugin's name and the option's."""
    _, name, option = (*key.split(".", 2), "", "")[:3]
    if not name or not option:
        raise SettingRefused(f"The option of a plugin is plugin.NAME.OPTION, not {key[:100]!r}.")
    return name, option


def _is_table(key: str) -> bool:
    """Whether a key is of a table that may have no entries."""
    try:
        return bool(known(f"{key.partition('.')[0]}.x").depth)
    except SettingRefused:
        return False


def _of_plugin(services: Services, option: PluginOption) -> Setting:
    key = f"{PLUGIN}{option.plugin}.{option.option}"
    given = {each.key: each for each in services.config.given}.get(key)
    source: Source = "default"
    if option.source == "lnp plugin set":
        source = "set"
    elif option.source != "default":
        source = given.source if given else "argument"
    place = given.place if given and source == given.source else ""
    return Setting(key, option.value, source, place, option.dynamic, option.help)
