"""Which commands are there about plugins and their options? Rows of the one table."""

from typing import Final

from lnpd import errors
from lnpd.rpc import answers
from lnpd.rpc.commands.table import PLUGIN, PLUGINS, Command, Parameter

PLUGINS_COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "plugin list",
        PLUGINS,
        "List the plugins: process, state, what each provides and may do.",
        tuple[answers.Plugin, ...],
        call="plugins",
    ),
    Command(
        "plugin explain",
        PLUGINS,
        "Show a hook: its plugins in the order in which they are asked, why, their filters, and what happens without.",
        answers.HookShown,
        (Parameter("hook", "text", "a hook's name, PLUGIN/HOOK for one that a plugin offers"),),
        call="explain_hook",
        examples=("lnp plugin explain htlc_accepted",),
        refused=(errors.NoSuchHook,),
    ),
    Command(
        "plugin start",
        PLUGINS,
        "Start a plugin by its path, now and with the node until it is stopped, or again by its name, which ends a"
        " quarantine.",
        answers.Plugin,
        (PLUGIN,),
        True,
        "plugin_start",
        ("lnp plugin start ./hello.py", "lnp plugin start hello"),
        refused=(
            errors.PluginNotFound,
            errors.PluginNotRunning,
        ),
    ),
    Command(
        "plugin stop",
        PLUGINS,
        "Stop a plugin, also for the node's next starts, unless lnpd --plugin names it. Channels that pin one of its"
        " providers wait until it is started again.",
        answers.Plugin,
        (PLUGIN,),
        True,
        "plugin_stop",
        ("lnp plugin stop hello",),
        refused=(errors.PluginNotFound,),
    ),
    Command(
        "plugin reload",
        PLUGINS,
        "Put a new process in the place of a plugin's, of the file as it is now. Nothing that it is asked is lost; if"
        " the new one does not come up, or would drop what a live channel pins, the old one goes on.",
        answers.Plugin,
        (PLUGIN,),
        True,
        "plugin_reload",
        ("lnp plugin reload hello",),
        refused=(
            errors.PluginNotFound,
            errors.ReloadRefused,
        ),
    ),
    Command(
        "plugin options",
        PLUGINS,
        "List the options of the plugins that run, or of one: values, who gave them, which can be set.",
        tuple[answers.PluginOption, ...],
        (Parameter("plugin", "plugin", "of this plugin alone", required=False, bare=True),),
        call="plugin_options",
        examples=("lnp plugin options", "lnp plugin options hello"),
        secret=True,
        refused=(
            errors.PluginNotFound,
            errors.PluginNotRunning,
        ),
    ),
    Command(
        "plugin set",
        PLUGINS,
        "Set a dynamic option of a plugin that runs. The value is kept when the plugin or the node is started again.",
        answers.PluginOption,
        (
            PLUGIN,
            Parameter("option", "text", "the option's name"),
            Parameter("value", "text", "its new value"),
        ),
        True,
        "plugin_set",
        ("lnp plugin set hello greeting hi",),
        refused=(
            errors.PluginNotFound,
            errors.PluginNotRunning,
            errors.OptionRefused,
        ),
    ),
    Command(
        "plugin grants",
        PLUGINS,
        "Show what a plugin asks for, what it was granted, what of a limit is used, and what is missing.",
        answers.GrantsShown,
        (PLUGIN,),
        call="plugin_grants",
        examples=("lnp plugin grants lockbox",),
        refused=(errors.PluginNotFound,),
    ),
)
