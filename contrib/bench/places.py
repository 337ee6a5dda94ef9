"""Where may a benchmark write, and which other environments may it use?"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"
INSTALL_SECONDS = 300


class NotInstalled(Exception):
    """A package cannot be installed here; the text says why."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the file system of the checkout: a temporary file system would make every sync free."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        yield Path(folder)


@contextmanager
def sockets() -> Iterator[Path]:
    """A folder whose path is short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="lnpd-bench-") as folder:
        yield Path(folder)


def python_with(package: str) -> Path:
    """The Python of an environment of its own that has a package; made and installed once. Raises NotInstalled.

    Never ours: pyln-proto, for one, installs a fork over the package coincurve.
    """
    venv = CACHE / f"venv-{package}"
    python, done = venv / "bin" / "python", venv / ".installed"
    if done.exists():
        return python
    install = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package)
    for command in ((sys.executable, "-m", "venv", "--clear", str(venv)), install):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip() or "no reason given").splitlines()[-1]
            raise NotInstalled(f"{package} cannot be installed: {last}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotInstalled(f"{package} cannot be installed: {error}") from None
    done.touch()
    return python
