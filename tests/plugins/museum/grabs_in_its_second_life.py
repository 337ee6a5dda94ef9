"""In its second life it wants a command of the guest's."""

import sys
from pathlib import Path

from lnpd_sdk.plugin import Plugin

plugin = Plugin("grabs-in-its-second-life", version="1")
life = Path(sys.argv[0] + ".life")
again = life.exists()
life.touch()
if again:
    plugin.rpc("Mine now.", name="guest-say")(lambda node: None)

if __name__ == "__main__":
    plugin.run()
