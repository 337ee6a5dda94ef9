"""It starts once, and never again."""

import sys
from pathlib import Path

from lnpd_sdk.plugin import Plugin

plugin = Plugin("dies-in-its-second-life", version="1")
life = Path(sys.argv[0] + ".life")
again = life.exists()
life.touch()
if again:
    raise RuntimeError("once is enough")

if __name__ == "__main__":
    plugin.run()
