"""Of which channel types are the schedules, and with which providers?"""

from collections.abc import Callable

from lnpd.providers.types import STATIC_REMOTEKEY
from lnpd.tx.graph import ChannelType
from tests.channel import harness, sealed

TYPES: dict[str, ChannelType] = {
    "static_remotekey": STATIC_REMOTEKEY,
    "sealed": sealed.with_sealer("second_stage"),
    "anchors": harness.PLAIN,
    "vault": harness.WITH_VAULT,
    "gated": harness.WITH_GATE,
}
USUAL: dict[str, Callable[[], harness.Providers]] = {
    "gated": lambda: harness.GATED,
    "sealed": lambda: sealed.providers("second_stage"),
}
CARRIER_WEIGHT = {"sealed": 4 * (8 + 1 + 2 + 32)}  # of what stands in each HTLC transaction
