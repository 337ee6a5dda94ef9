"""In what surroundings does a plugin's process run?

Of the node's environment it inherits what ENVIRONMENT lists, and gets its endpoint and token.
"""

import os
import sys
from pathlib import Path
from typing import Final

from lnpd.services.plugins.child import Child
from lnpd.services.plugins.output import LINE_BYTES

# What a plugin's process inherits; the rest of the node's environment is not its business.
ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START")


async def spawn(path: Path, endpoint: str, token: bytes, more: dict[str, str]) -> Child:
    """Starts a plugin's process; `more` is added to its environment. OSError."""
    program = (sys.executable, str(path)) if path.suffix == ".py" else (str(path),)
    environment = {k: os.environ[k] for k in ENVIRONMENT if k in os.environ} | {"LNPD_ENDPOINT": endpoint} | more
    return await Child.start(program, environment, token, LINE_BYTES)
