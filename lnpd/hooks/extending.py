"""Which parameters does a plugin add to commands of the node's, and may it?

A method that `extends` a command is called in its place where one of the parameters that it adds is given: those of its
own that the command has not. Who adds a parameter to a command is the only one that does.
"""

from collections.abc import Mapping
from typing import Final

from lnpd_sdk.manifest import Manifest
from lnpd_sdk.nearest import nearest

from lnpd.errors import ManifestRefused

Extendable = Mapping[str, frozenset[str]]  # the commands that may be extended, and the parameters of each

OF_EVERY_COMMAND: Final = frozenset(
    {
        "config", "directory", "help", "json", "key_file", "network", "plain", "qr", "remote", "server_key", "timeout",
        "yes",
    }
)  # fmt: skip
"""What every command line of `lnp` may say (lnpd.cli.arguments): nobody says something else by it."""


def added(manifest: Manifest, extendable: Extendable) -> tuple[tuple[str, str], ...]:
    """What it adds, as it is claimed: only one may have each."""
    return tuple(
        ("the parameter", f"{parameter.name} of {method.extends}")
        for method in manifest.rpc
        if method.extends
        for parameter in method.parameters
        if parameter.name not in extendable.get(method.extends, ())
    )


def check_extensions(manifest: Manifest, extendable: Extendable) -> None:
    """Raises ManifestRefused where a method extends what it cannot, or adds nothing, or what means something else."""
    for method in manifest.rpc:
        if not method.extends:
            continue
        who = f"{manifest.name}: {method.name}"
        if method.extends not in extendable:
            near = nearest(method.extends, extendable)
            raise ManifestRefused(f"{who} extends {method.extends[:40]!r}, no command of the node's that may be{near}")
        own = {parameter.name for parameter in method.parameters} - extendable[method.extends]
        if not own:
            raise ManifestRefused(f"{who} adds no parameter to {method.extends}: it would never be called")
        if taken := sorted(own & OF_EVERY_COMMAND):
            raise ManifestRefused(f"{who} adds {taken[0]} to {method.extends}, which every command has")
    claims = added(manifest, extendable)
    if twice := [name for number, (_, name) in enumerate(claims) if claims[number] in claims[:number]]:
        raise ManifestRefused(f"{manifest.name} adds the parameter {twice[0]} twice")
