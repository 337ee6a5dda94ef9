"""What do we say in `init`, and can we go on with a peer that says this? (BOLT 1, The init Message; BOLT 9)"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from lnpd.errors import FeatureNotNegotiated, NoCommonChain
from lnpd.peer.chains import chain_name
from lnpd.wire.base import Message
from lnpd.wire.features import BOLT9, Features, FeatureTable
from lnpd.wire.messages import Extension, Init, InitTlvs

SHOWN_CHAINS: Final = 5
Records = tuple[tuple[int, bytes], ...]  # TLV records: type and value

OFFERED: Final = Features.of(
    0,  # option_data_loss_protect: this and the other even ones are ASSUMED, and some nodes insist on seeing them
    5,  # option_upfront_shutdown_script
    8,  # var_onion_optin
    12,  # option_static_remotekey
    14,  # payment_secret
    23,  # option_anchors
    27,  # option_shutdown_anysegwit
    35,  # option_quiesce
    44,  # option_channel_type
    47,  # option_scid_alias
)
"""What this node does."""
LARGE_CHANNELS: Final = Features.of(19)  # option_support_large_channel
"""What a node offers besides if its user allows such channels."""

_INTERACTIVE: Final = (
    "tx_add_input",
    "tx_add_output",
    "tx_remove_input",
    "tx_remove_output",
    "tx_complete",
    "tx_signatures",
    "tx_init_rbf",
    "tx_ack_rbf",
    "tx_abort",
)
NEEDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "peer_storage": ("option_provide_storage",),
        "peer_storage_retrieval": ("option_provide_storage",),
        "stfu": ("option_quiesce",),
        "closing_complete": ("option_simple_close",),
        "closing_sig": ("option_simple_close",),
        "open_channel2": ("option_dual_fund",),
        "accept_channel2": ("option_dual_fund",),
        **dict.fromkeys(_INTERACTIVE, ("option_dual_fund", "option_splice")),
        "splice_locked": ("option_splice",),
        "splice_init": ("option_splice",),
        "splice_ack": ("option_splice",),
        "start_batch": ("option_splice",),
        "onion_message": ("option_onion_messages",),
    }
)
"""Messages that belong to a feature: one of these must be negotiated."""


class Agreement(msgspec.Struct, frozen=True):
    """What holds on one connection. `features` are negotiated, `offered` is the peer's own vector.

    `extensions` is what the peer offers of providers; `remote_addr` where it sees us, an address descriptor of BOLT 7;
    `records` are those of its `init` that are no BOLT's.
    """

    features: Features
    offered: Features
    extensions: tuple[Extension, ...] = ()
    remote_addr: bytes = b""
    records: Records = ()


class Greeting(msgspec.Struct, frozen=True):
    """What we say of ourselves to every peer."""

    chain_hash: bytes
    features: Features = OFFERED
    extensions: tuple[Extension, ...] = ()
    table: FeatureTable = BOLT9

    def init(self, remote_addr: bytes = b"", records: Records = ()) -> Init:
        """Our `init`; `remote_addr` is the peer's address as we see it, if it is a public one, `records` are plugins',
        in ascending order."""
        tlvs = InitTlvs(
            networks=(self.chain_hash,),
            remote_addr=remote_addr or None,
            offered_extensions=self.extensions or None,
            unknown=records,
        )
        return Init(globalfeatures=b"", features=self.features.to_bytes(), tlvs=tlvs)

    def agree(self, init: Init) -> Agreement:
        """What holds with a peer that sent this. Raises NoCommonChain and, naming the feature, FeatureErrors."""
        chains = init.tlvs.networks
        if chains is not None and self.chain_hash not in chains:
            theirs = ", ".join(map(chain_name, chains[:SHOWN_CHAINS])) or "no chain"
            raise NoCommonChain(f"We are on {chain_name(self.chain_hash)}, you are on {theirs}.")
        offered = Features.from_bytes(init.globalfeatures) | Features.from_bytes(init.features)
        self.table.check(offered, "I")
        return Agreement(
            features=self.table.negotiate(self.features, offered),
            offered=offered,
            extensions=init.tlvs.offered_extensions or (),
            remote_addr=init.tlvs.remote_addr or b"",
            records=init.tlvs.unknown,
        )

    def admits(self, message: Message, agreement: Agreement) -> bool:
        """Does the message belong to what was negotiated? False for an odd one that does not, which is ignored.

        Raises FeatureNotNegotiated for an even one.
        """
        names = NEEDS.get(message.NAME, ())
        if not names or any(agreement.features.has(name, self.table) for name in names):
            return True
        if message.NUMBER % 2:
            return False
        raise FeatureNotNegotiated(f"{message.NAME} was sent, and {' or '.join(names)} is not negotiated.")
