"""How does a person write what a plugin is granted and given on a command line?"""

import re
from typing import Final

from lnpd.hooks.capabilities import wrong_with

GRANT: Final = re.compile(r"([a-z][a-z0-9-]{0,31}|[^=]*/[^=]+)=([a-z]+(?::[^\s]{1,100})?)")
PLUGIN_OPTION: Final = re.compile(r"([a-z][a-z0-9-]{0,31})\.([a-z][a-z0-9_]{0,63})=(.{0,10000})", re.DOTALL)
REMOTE: Final = re.compile(r"([a-z][a-z0-9-]{0,31})=([0-9a-fA-F]{64})")
TCP: Final = re.compile(r"tcp://(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,255}):([0-9]{1,5})")


def read_grant(word: str) -> tuple[str, str]:
    """A plugin's name or path (with a slash) and a capability, "lockbox=updates:50000"."""
    match = GRANT.fullmatch(word)
    if not match:
        raise ValueError("PLUGIN=CAPABILITY, for example lockbox=updates:50000; PLUGIN may be ./its/path.py")
    if why := wrong_with(match[2]):
        raise ValueError(why)
    return match[1], match[2]


def read_plugin_option(word: str) -> tuple[str, str, str]:
    """A plugin's option and its value, "hello.greeting=good morning"."""
    match = PLUGIN_OPTION.fullmatch(word)
    if not match:
        raise ValueError("PLUGIN.OPTION=VALUE, for example hello.greeting=hi")
    return match[1], match[2], match[3]


def read_remote_plugin(word: str) -> tuple[str, bytes]:
    """A remote plugin's name and its public key, "watchtower=6bcf..."."""
    match = REMOTE.fullmatch(word)
    if not match:
        raise ValueError("NAME=KEY, the plugin's name and its public key, 64 hex digits")
    return match[1], bytes.fromhex(match[2])


def read_pinned_key(word: str) -> tuple[str, bytes]:
    """The name of a program on another machine and its public key, "phone=6bcf..."."""
    match = REMOTE.fullmatch(word)
    if not match:
        raise ValueError("NAME=KEY, a name of small letters, digits and hyphens, and a public key, 64 hex digits")
    return match[1], bytes.fromhex(match[2])


def read_tcp(word: str) -> str:
    """Where remote plugins connect."""
    match = TCP.fullmatch(word)
    if not match or not 0 < int(match[1]) < 65_536:
        raise ValueError("an endpoint tcp://ADDRESS:PORT")
    return word
