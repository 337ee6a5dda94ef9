"""How does a new plugin come about? `lnp plugin new NAME`: a whole one that works, with its test, under that name."""

import keyword
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

from lnpd.errors import DirectoryUnusable, ParameterRefused
from lnpd.hooks.registry import CORE, NAME

# What the SDK's example is called in its files, and what each becomes; `jar` is the name everywhere in them.
FILES: Final = {"jar.py": "{module}.py", "test_jar.py": "test_{module}.py", "project.toml": "pyproject.toml",
                "README.md": "README.md"}  # fmt: skip
TAKEN: Final = frozenset({CORE, "bolt", "lnpd_sdk", "msgspec", "zmq", "pytest", "test", "tests"})


def write_new(name: str, folder: Path) -> tuple[Path, ...]:
    """Writes a plugin of this name into a folder that is empty or not there yet; its files, the plugin first.

    Raises ParameterRefused for a name that no plugin or no Python module can have, and for a folder in use;
    DirectoryUnusable.
    """
    module = name.replace("-", "_")
    if not NAME.fullmatch(name) or module in TAKEN | sys.stdlib_module_names or keyword.iskeyword(module):
        raise ParameterRefused(
            f"{name[:40]!r} cannot be a plugin's name: it begins with a letter, has only a to z, 0 to 9 and hyphens, at"
            " most 32 of them, and is not a module that others need."
        )
    source = files("lnpd_sdk") / "scaffold"
    written = []
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ParameterRefused(f"{folder} is there already, and is not empty.")
        folder.mkdir(parents=True, exist_ok=True)
        for origin, path in FILES.items():
            written.append(folder / path.format(module=module))
            written[-1].write_text(named((source / origin).read_text(), name))
    except OSError as error:
        raise DirectoryUnusable(f"{folder} cannot be written: {error.strerror}.") from None
    return tuple(written)


def named(text: str, name: str) -> str:
    """The example's text with another name: its file `jar.py`, its class `Jar`, and the word itself."""
    module = name.replace("-", "_")
    text = re.sub(r"\bjar\.py\b", f"{module}.py", text)
    text = re.sub(r"\bJar\b", module.title().replace("_", ""), text)
    return re.sub(r"\bjar\b", name, text)
