"""In its second life it calls itself otherwise."""

import sys
from pathlib import Path

from lnpd_sdk.plugin import Plugin

plugin = Plugin("changes-its-name", version="1")
life = Path(sys.argv[0] + ".life")
again = life.exists()
life.touch()
if again:
    plugin.name = "somebody-else"

if __name__ == "__main__":
    plugin.run()
