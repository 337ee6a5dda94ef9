"""How are completions, what the node knows for them, and pages of the manual printed?"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from lnpd.cli.arguments import Common
from lnpd.cli.exits import OK
from lnpd.errors import DirectoryUnusable
from lnpd.rpc.commands import Command

Params = Mapping[str, Any]  # Any: JSON values


def print_it(command: Command, params: Params, common: Common) -> int:
    """Does it; the exit code. Raises LnpdError."""
    return PRINTS[command.name](params, common)


def _completion(params: Params, common: Common) -> int:
    from lnpd.cli.printed import bash, fish, programs, zsh  # with the tables of lnpd, which ids do not need

    script = {"bash": bash.bash, "fish": fish.fish, "zsh": zsh.zsh}[params["shell"]]((programs.lnp(), programs.lnpd()))
    return _told({"shell": params["shell"], "script": script}, script, common)


def _complete_ids(params: Params, common: Common) -> int:
    from lnpd.cli.printed.live import known

    rows = known(params["kind"], common)
    told = [{"value": value, "help": help} for value, help in rows]
    return _told(told, "".join(f"{value}\t{help}\n" for value, help in rows), common)


def _man(params: Params, common: Common) -> int:
    from lnpd.cli.printed import manual

    if params.get("write"):
        paths = _written(Path(params["write"]), manual.pages())
        return _told(paths, "".join(f"{path}\n" for path in paths), common)
    name, text = manual.page_of(params.get("page", []))
    if common.json or not sys.stdout.isatty() or not shutil.which("man"):
        return _told({"page": name, "source": text}, text, common)
    return subprocess.run(["man", "-l", "-"], input=text, text=True, check=False).returncode  # noqa: S607  # a fixed line


def _written(folder: Path, pages: Mapping[str, str]) -> Sequence[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (folder / f"{name}.1").write_text(text)
    except OSError as error:
        raise DirectoryUnusable(f"The pages cannot be written into {folder}: {error.strerror}.") from None
    return [os.fspath(folder / f"{name}.1") for name in pages]


def _told(answer: object, text: str, common: Common) -> int:
    print(msgspec.json.encode(answer).decode() if common.json else text, end="\n" if common.json else "")
    return OK


PRINTS: Final[Mapping[str, Callable[[Params, Common], int]]] = {
    "completion": _completion,
    "complete-ids": _complete_ids,
    "man": _man,
}
