"""Which commands are there about the configuration? Rows of the one table."""

from typing import Final

from lnpd import errors
from lnpd.rpc import answers
from lnpd.rpc.commands.table import NODE, Command, Parameter

KEY: Final = Parameter("key", "setting", "the option's key, as `lnp config` lists it; plugin.NAME.OPTION is a plugin's")
OF_CHANGE: Final = (
    errors.SettingRefused,
    errors.OptionRefused,
    errors.PluginNotFound,
    errors.PluginNotRunning,
    errors.PluginRefused,
)

CONFIG_COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "config",
        NODE,
        "Show each option with its value and who said it, those of the plugins that run too; or one of them.",
        tuple[answers.Setting, ...],
        (Parameter("key", "setting", "this option alone, or the entries of this table", required=False, bare=True),),
        examples=("lnp config", "lnp config fee_base_msat", "lnp config plugin.hello"),
        refused=(errors.SettingRefused,),
        secret=True,
    ),
    Command(
        "config set",
        NODE,
        "Set an option while the node runs. It is kept when the node is started again, over whatever else says it.",
        answers.Setting,
        (KEY, Parameter("value", "text", "its new value")),
        True,
        "config_set",
        ("lnp config set fee_base_msat 500", "lnp config set log_level debug"),
        refused=OF_CHANGE,
    ),
    Command(
        "config unset",
        NODE,
        "Take back what was set: what an argument, the environment or the file says counts again.",
        tuple[answers.Setting, ...],
        (KEY,),
        True,
        "config_unset",
        ("lnp config unset fee_base_msat",),
        refused=OF_CHANGE,
    ),
)
