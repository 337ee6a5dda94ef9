"""What of assets in channels is experimental, and where does it end? The plugin and the printed page say it so."""

from typing import Final

from rgb_channel.state import HIGHEST_PER_KW, HIGHEST_TIMES, SLOTS
from rgb_engine.wallet import HOLDING_SAT
from rgb_node.payments import LEAST_MSAT
from rgb_node.wire import MAX_CONSIGNMENT

LIMITS: Final = (
    f"A channel opens with one asset, all of it the opener's, whose history up to there has {MAX_CONSIGNMENT:,} bytes"
    " at most; it has no anchors.",
    "A payment in an asset goes over one channel, to its other end. What others send through us is passed on between"
    " channels of one asset.",
    f"Such a channel goes up to a feerate of {HIGHEST_PER_KW // 250} sat/vB, or to {HIGHEST_TIMES} times the one that"
    f" it opened with, and no further. An HTLC with tokens holds {LEAST_MSAT // 1000:,} sat at least, and each side"
    f" has {SLOTS} of them in flight at most.",
    "What it had signed when it was closed by force keeps its fee: commitments and HTLC transactions of such a channel"
    " can be slow while blocks are dear, and an HTLC's tokens may then be lost at its expiry, as its sat.",
    "The node's wallet pays for sweeps and penalties of tokens whose outputs are too small for it.",
    "Bringing home what a channel leaves behind costs the fee of a transaction for each coin, and"
    f" {HOLDING_SAT:,} sat go with the tokens.",
)
