"""How is a configuration that is in effect printed? As a file would say it, with who said it beside each line."""

import re
from typing import Final

import msgspec

from lnpd.config import Config
from lnpd.config.listing import Setting, settings

BARE: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def printed(config: Config) -> str:
    """What is in effect, in TOML; what has no value is a comment."""
    files = [f"# read: {path}" for path in config.files] or ["# no file was read"]
    return "\n".join([*files, *map(_line, settings(config))])


def answered(config: Config) -> dict[str, object]:
    """The same for a program: the files that were read, and rows as those of `lnp config`."""
    return {"files": tuple(map(str, config.files)), "settings": settings(config)}


def _line(setting: Setting) -> str:
    head, dot, name = setting.key.partition(".")
    if name and not BARE.fullmatch(name):
        name = _text(name)
    value = "#" if setting.value is None else _text(setting.value)
    said = f"{setting.source}: {setting.place}" if setting.place else setting.source
    return f"{'# ' if setting.value is None else ''}{head}{dot}{name} = {value.removeprefix('#')}  # {said}"


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
