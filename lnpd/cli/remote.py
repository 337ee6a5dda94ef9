"""Which node on another machine is asked, and who named it: the command line, or the environment?

    --remote          LNPD_REMOTE
    --server-key      LNPD_SERVER_KEY      what is typed counts first, each by itself
    --key-file        LNPD_KEY_FILE

Keys alone name no node. Who types a directory, a network or a configuration means a node of this machine.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from lnpd.errors import KeyFileRefused, KeyNotKnown, NodeUnavailable, ParameterRefused
from lnpd.rpc.place import Remote

VARIABLES: Final = {"--remote": "LNPD_REMOTE", "--server-key": "LNPD_SERVER_KEY", "--key-file": "LNPD_KEY_FILE"}
_TCP: Final = re.compile(r"tcp://(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255}):[0-9]{1,5}")
_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")


class Named(NamedTuple):
    """A node on another machine; `variables` are those of the environment that said so."""

    remote: Remote
    variables: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Who named it, for a person; empty if it was typed."""
        return f" (as {', '.join(self.variables)} of the environment says)" if self.variables else ""


@contextmanager
def told(origin: str) -> Iterator[None]:
    """Who named the node is said with what is wrong with it."""
    try:
        yield
    except (NodeUnavailable, KeyNotKnown, KeyFileRefused) as error:
        if not origin:
            raise
        raise type(error)(f"{error}{origin}") from None


def named(given: Mapping[str, Any], environment: Mapping[str, str]) -> Named | None:  # Any: what argparse found
    """The node that was named. Raises ParameterRefused."""
    said = {flag: given[flag] or environment.get(variable, "") for flag, variable in VARIABLES.items()}
    typed = [flag for flag in VARIABLES if given[flag]]
    if not said["--remote"] and not typed:
        return None
    variables = {flag: variable for flag, variable in VARIABLES.items() if flag not in typed}
    if lacking := [f"{flag} ({variables[flag]})" for flag, word in said.items() if not word]:
        flags = list(VARIABLES)
        raise ParameterRefused(f"{', '.join(flags[:-1])} and {flags[-1]} go together: {', '.join(lacking)} is missing.")
    address, key, file = said.values()
    if not _TCP.fullmatch(address):
        raise ParameterRefused(f"{variables.get('--remote', '--remote')} takes tcp://HOST:PORT, not {address[:60]!r}.")
    if not _KEY.fullmatch(key):
        name = variables.get("--server-key", "--server-key")
        raise ParameterRefused(f"{name} takes a public key, 64 hex digits, not {key[:80]!r}.")
    path = Path(os.path.abspath(os.path.expanduser(file)))
    return Named(Remote(address, bytes.fromhex(key), path), tuple(variables.values()))
