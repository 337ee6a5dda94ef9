"""In what surroundings does a plugin's process run: environment, folder, limits, sandbox?

Of the node's environment it inherits what ENVIRONMENT lists. It begins in a folder of its own, DIRECTORY/plugins/NAME
by its file's name, that only the node's user may enter. Its keeper (keeper.py) sets limits that it cannot raise again.
Where bubblewrap is installed it sees the file system read-only, its folder excepted, and of the node's directory
nothing but that folder, its own file and its endpoint; it has no network unless it is named for one.
"""

import asyncio
import hashlib
import logging
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final, Literal

import msgspec

from lnpd.errors import ManifestRefused, SandboxMissing
from lnpd.services.plugins.child import Child
from lnpd.services.plugins.output import LINE_BYTES

log = logging.getLogger("lnpd.plugins")

# What a plugin's process inherits; the rest of the node's environment is not its business.
ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START")
BWRAP: Final = "bwrap"
ALONE: Final = ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--die-with-parent")
DEVICES: Final = Path("/dev")  # a sandbox has its own, without what lay in the memory that is there
ROOT: Final = ("--ro-bind", "/", "/", "--dev", str(DEVICES), "--proc", "/proc")
PROBE_SECONDS: Final = 10.0

Sandbox = Literal["auto", "never", "always"]


class Terms(msgspec.Struct, frozen=True):
    """What the user lets plugins' processes have. 0 is no limit.

    `memory_mib` is what each process may have of its own in memory, `files` how many it may have open, `processes` how
    many threads its user may have in all when it starts one more. `network` names plugins that may use the network from
    within a sandbox, by their files' names or paths.
    """

    memory_mib: int = 1024
    files: int = 256
    processes: int = 4096
    sandbox: Sandbox = "auto"
    network: tuple[str, ...] = ()

    def limits(self) -> str:
        """The keeper's word for these limits; a core dump would hold what the plugin knows."""
        rows = (("data", self.memory_mib << 20), ("nofile", self.files), ("nproc", self.processes))
        return ",".join(["core=0", *(f"{name}={most}" for name, most in rows if most)])


class Surroundings:
    """The surroundings of all plugins of a node. `secret` are files and folders that none of them may see."""

    def __init__(self, directory: Path, terms: Terms | None = None, secret: tuple[Path, ...] = ()) -> None:
        self._directory, self.terms = directory, terms or Terms(sandbox="never")
        self._secret = (directory, *secret)
        self._folders: dict[Path, Path] = {}  # whose each is
        self._why: str | None = None  # there is no sandbox; None: not known yet
        self._asking = asyncio.Lock()

    async def spawn(self, path: Path, endpoint: str, token: bytes, more: dict[str, str]) -> Child:
        """Starts a plugin's process; `more` is added to its environment. OSError, SandboxMissing, ManifestRefused."""
        _refuse_shadow(path)
        folder = self.folder(path)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        folder.parent.chmod(0o700)
        program = (sys.executable, str(path)) if path.suffix == ".py" else (str(path),)
        if await self._is_sandboxed():
            program = (*self._walls(path, folder, endpoint), *program)
        environment = {k: os.environ[k] for k in ENVIRONMENT if k in os.environ}
        environment |= {"LNPD_ENDPOINT": endpoint, "TMPDIR": str(folder), **more}
        return await Child.start(program, environment, token, LINE_BYTES, folder, self.terms.limits())

    def folder(self, path: Path) -> Path:
        """The folder of a plugin's own. Of two files of one name the second has one with a digest of its path."""
        name = re.sub(r"[^A-Za-z0-9_-]", "-", path.stem)[:64]
        digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
        first, other = (self._directory / "plugins" / each for each in (name, f"{name}-{digest}"))
        return first if self._folders.setdefault(first, path) == path else other

    async def _is_sandboxed(self) -> bool:
        if self.terms.sandbox == "never":
            return False
        async with self._asking:
            if self._why is None:
                self._why = await _missing()
                if self._why and self.terms.sandbox == "auto":
                    log.warning("plugins run without a sandbox: %s", self._why)
        if self._why and self.terms.sandbox == "always":
            raise SandboxMissing(f"--plugin-sandbox always: {self._why}")
        return not self._why

    def _walls(self, path: Path, folder: Path, endpoint: str) -> tuple[str, ...]:
        """bubblewrap's words; what comes later covers what came before."""
        words = [BWRAP, *ALONE, *ROOT]
        if not {path.stem, str(path)} & set(self.terms.network):
            words.append("--unshare-net")
        for secret in self._secret:
            if secret.is_dir():
                words += ("--tmpfs", str(secret))
            elif secret.exists():
                words += ("--ro-bind", "/dev/null", str(secret))
        words += ("--bind", str(folder), str(folder))
        if any(path.is_relative_to(hidden) for hidden in (*self._secret, DEVICES)):
            words += ("--ro-bind", str(path), str(path))
        if endpoint.startswith("ipc://"):
            socket = endpoint.removeprefix("ipc://")
            words += ("--bind", socket, socket)
        return (*words, "--chdir", str(folder), "--")


def _refuse_shadow(path: Path) -> None:
    """A program's folder comes first on its way to modules: the first import of its name would find itself."""
    if path.suffix == ".py" and path.stem in sys.stdlib_module_names:
        raise ManifestRefused(
            f"{path.name} has the name of Python's own module {path.stem}, which nothing that it imports would find any"
            " more: give the file another name"
        )


async def _missing() -> str:
    """Why there is no sandbox; empty if there is one."""
    if shutil.which(BWRAP) is None:
        return "bubblewrap (bwrap) is not installed"
    probe = await asyncio.create_subprocess_exec(
        *(BWRAP, *ALONE, "--unshare-net", *ROOT, "--", "true"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await asyncio.wait_for(probe.communicate(), PROBE_SECONDS)
    except TimeoutError:
        probe.kill()
        return f"{BWRAP} does not end"
    if probe.returncode:
        return f"{BWRAP} cannot make one here: {said.decode(errors='replace').strip()[:200]}"
    return ""
