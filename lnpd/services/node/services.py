"""Of which services is a running node made?

`Node` makes and ends them, `NodeApi` answers with them: this is what the two share.
"""

from dataclasses import dataclass

from lnpd.chain.interface import ChainBackend
from lnpd.config import Config
from lnpd.hooks.registry import Registry
from lnpd.services.backup.keeper import BackupKeeper
from lnpd.services.backup.payments import PaymentSweep
from lnpd.services.chain.pulse import ChainPulse
from lnpd.services.chain.sight import ChainSight
from lnpd.services.chain.watch import ChainWatch
from lnpd.services.channels.feerates import FeerateKeeper
from lnpd.services.channels.opening import Kinds
from lnpd.services.channels.service import Channels
from lnpd.services.interfaces import Signer
from lnpd.services.node.checking import StartCheck
from lnpd.services.node.places import Miner
from lnpd.services.node.tuning import Tuning
from lnpd.services.payments.service import Payments
from lnpd.services.peers.service import Peers
from lnpd.services.plugins.host import PluginHost
from lnpd.services.wallet.service import Wallet
from lnpd.store.store import Store


@dataclass(frozen=True)
class Services:
    """A node's services, and what they were made from. `miner` makes blocks, on regtest."""

    tuning: Tuning
    node_id: bytes
    store: Store
    signer: Signer
    checks: StartCheck
    backup: BackupKeeper
    payment_sweep: PaymentSweep
    backend: ChainBackend
    miner: Miner | None
    pulse: ChainPulse
    sight: ChainSight
    wallet: Wallet
    watcher: ChainWatch
    registry: Registry
    plugins: PluginHost
    kinds: Kinds
    channels: Channels
    feerates: FeerateKeeper
    payments: Payments
    peers: Peers

    @property
    def config(self) -> Config:
        """What is in effect now."""
        return self.tuning.config
