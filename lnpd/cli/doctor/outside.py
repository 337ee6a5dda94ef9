"""What is seen of a node from the outside: its directory, its configuration, and whether it answers?

    common options -> the configuration as lnpd would read it, or why it would not -> a node there? -> what it says
                      of a node that ran before, with the options that it had then (lnpd/cli/started.py)

A node that runs says itself what is in effect; of one that does not, the configuration says what would be.
"""

import os
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lnpd.cli import started
from lnpd.cli.arguments import Common
from lnpd.config import NETWORKS, Config
from lnpd.config.again import PROGRAM, command_line
from lnpd.config.build import built
from lnpd.config.listing import Setting, settings
from lnpd.config.places import directories, is_default
from lnpd.config.sources import settle
from lnpd.config.table import OPTIONS
from lnpd.errors import ConfigRefused, LnpdError, NodeUnavailable
from lnpd.rpc import answers
from lnpd.rpc.client import Client
from lnpd.services.doctor.check import Line

MIB: Final = 1 << 20
ANSWER_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Room:
    """How much of a disk is free, and how little is too little."""

    danger_bytes: int = 100 * MIB
    warning_bytes: int = 1024 * MIB
    least_files: int = 1_000


@dataclass(frozen=True)
class Outside:
    """What a check of the command line looks at.

    settings: what is in effect, by key; of a node that does not run, what would be. config is what would be, None if
    `refusal` says why it would not be taken. info and findings are the running node's. silence: why a node that is
    there does not answer.
    """

    directory: Path
    settings: dict[str, Setting | answers.Setting]
    config: Config | None = None
    refusal: str = ""
    info: answers.Info | None = None
    findings: tuple[answers.Finding, ...] = ()
    silence: str = ""
    now_unix_seconds: float = field(default_factory=time.time)
    room: Room = Room()
    statvfs: Callable[[Path], os.statvfs_result] = os.statvfs

    @property
    def lnpd(self) -> Line:
        """What starts this node as it was started before, or else as it would be."""
        return self.lnpd_with()

    def lnpd_with(self, **other: tuple[str, ...]) -> Line:
        """The same with other words of options, by key."""
        if self.config is None:
            return Line(f"{PROGRAM} --directory {shlex.quote(str(self.directory))}")
        line, directory = command_line(self.config, other), f"--directory {shlex.quote(str(self.directory))}"
        elsewhere = self.config.directory == self.directory and not is_default(self.directory, self.config.network)
        return Line(f"{line} {directory}" if elsewhere and "--directory" not in line else line)

    @property
    def runs(self) -> bool:
        """Whether a node answers."""
        return self.info is not None

    def value(self, key: str) -> Any:  # Any: a JSON value
        """The value of an option; None if there is none."""
        found = self.settings.get(key)
        return found.value if found is not None else None

    def path(self, key: str) -> Path | None:
        """The value of an option that is a path."""
        word = self.value(key)
        return Path(word) if isinstance(word, str) and word else None


def configured(given: Mapping[str, Any]) -> tuple[Config | None, str]:  # Any: what argparse found
    """The configuration that lnpd would have with these common options, else its refusal."""
    typed = {row.flag: given.get(row.flag) for row in OPTIONS if "lnpd" in row.programs}
    try:
        settled, contents = settle(typed, os.environ, given.get("--config"))
        config = built(settled, files=contents.files)
    except ConfigRefused as error:
        return None, str(error)
    return config, ""


def _before(directory: Path, config: Config) -> tuple[Config | None, str]:
    """The configuration with which the node of a directory was started last; what would be, of one that never was."""
    try:
        return started.read(directory) or config, ""
    except ConfigRefused as error:
        return None, str(error)


def seen(given: Mapping[str, Any], common: Common | None) -> Outside:  # Any: what argparse found
    """What there is to see with these common options. `common` is what `lnp` would ask, None if it was refused."""
    config, refusal = configured(given)
    if common is not None:
        directory = common.directory
    elif config is not None:
        directory = config.directory
    else:
        directory = Path(given.get("--directory") or directories(given.get("--network") or NETWORKS[0])[0])
    if config is not None and not given.get("--config"):
        config, refusal = _before(directory, config)
    rows: dict[str, Setting | answers.Setting] = {row.key: row for row in settings(config)} if config else {}
    try:
        with Client(directory, (common and common.timeout_seconds) or ANSWER_SECONDS) as node:
            info, findings = node.info(), node.doctor()
            rows = {row.key: row for row in node.config()}
        return Outside(directory, rows, config, refusal, info, findings)
    except NodeUnavailable:
        return Outside(directory, rows, config, refusal)
    except LnpdError as error:
        return Outside(directory, rows, config, refusal, silence=str(error))
