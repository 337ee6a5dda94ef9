"""What of the wallet of assets is experimental, and where does it end?"""

from typing import Final

from rgb_engine import binding
from rgb_engine.values import MAX_CONSIGNMENT_BYTES, MAX_FEERATE

RGB: Final = "RGB 0.11.1"
LIMITS: Final = (
    f"RGB itself is beta, and so is this: {RGB} with rgb-lib {binding.VERSION}.",
    "Fungible assets that nobody can issue more of (NIA), and no others.",
    f"On chain, consignments travel by hand, as files of at most {MAX_CONSIGNMENT_BYTES // 1024 // 1024} MiB, and no"
    f" feerate is above {MAX_FEERATE:,} sat/vB.",
    "Whoever loses the wallet's folder loses its tokens: `lnp rgb backup`, after each change.",
)
