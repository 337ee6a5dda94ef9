"""The smallest plugin that can be asked: how long does the way to it and back take?

It is named as its file is, so that copies of it can run beside it.
"""

from pathlib import Path

from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, View

NAME = Path(__file__).stem.removesuffix("_plugin")
plugin = Plugin(NAME, version="1", help="Answers at once.")


@plugin.provider
class Echo(ProviderBase):
    """A provider that wants no output, but must be asked about every state."""

    spec = ProviderSpec(NAME, formats=(1,), phases=(Phase("contribute"),))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """Nothing."""
        return ()


@plugin.hook("block_connected")
def block_connected(node: Node, height: int, block_hash: str) -> int:
    """The height comes back."""
    return height


if __name__ == "__main__":
    plugin.run()
