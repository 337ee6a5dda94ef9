"""What is a service that the node offers to plugins, and what of the node is it made with?"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from lnpd_sdk.services.channels import Proposal
from lnpd_sdk.services.kept import KeptRow, KeptWanted

from lnpd.errors import NodeStarting
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.features import PluginFeatures
from lnpd.hooks.registry import Registry
from lnpd.services.chain.pulse import ChainPulse
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.channels.factories import Factories
from lnpd.services.channels.holding import Holding
from lnpd.services.events import Events
from lnpd.services.interfaces import Signer
from lnpd.services.payments.service import Payments
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.messages import PluginMessages
from lnpd.services.plugins.notifying import Notifying
from lnpd.services.plugins.offers.turns import Turns
from lnpd.services.plugins.watching import Watching
from lnpd.services.rpc.api import Backend as Api
from lnpd.services.wallet.lending import Lending
from lnpd.store.store import Store
from lnpd.wire.message import CODEC, Codec

T = TypeVar("T")


class Backend(Protocol):
    """What plugins need of the channels."""

    async def propose(self, proposal: Proposal, max_debit_sat: int) -> int:
        """Proposes an update that may take at most `max_debit_sat` of our balance in this channel; its id."""
        ...

    def driver_of(self, text: str) -> ChannelDriver:
        """A channel by its channel_id in hex. UnknownChannel."""
        ...

    def providers_changed(self) -> None:
        """Providers came or went: freeze or thaw the channels that pin them, at once."""
        ...

    async def tell_frozen(self) -> None:
        """Publishes which channels froze for that."""
        ...


class Recollection(Protocol):
    """What plugins ask about channels that close, or are closed (lnpd.services.channels.recall)."""

    async def rows(self, providers: frozenset[str], closed: bool) -> list[dict[str, object]]:
        """The channels that pin one of these providers; also those that are closed."""
        ...

    async def kept(self, providers: frozenset[str], wanted: KeptWanted) -> KeptRow:
        """A commitment or a mutual close as one of these providers was shown it."""
        ...


@dataclass
class Desk:
    """What of the node the services are made with; None as long as the node has not come so far.

    `backend`, the channels, comes last: once it is there, the node is complete.
    """

    registry: Registry
    hooks: Hooks
    backend: Backend | None = None
    messages: PluginMessages | None = None
    store: Store | None = None
    payments: Payments | None = None
    events: Events | None = None
    watching: Watching | None = None
    pulse: ChainPulse | None = None
    notifying: Notifying | None = None
    signer: Signer | None = None
    api: Api | None = None
    lending: Lending | None = None
    holding: Holding | None = None
    recall: Recollection | None = None
    factories: Factories | None = None
    feerate: Callable[[int], Awaitable[int]] | None = None
    turns: Turns = field(default_factory=Turns)

    @property
    def codec(self) -> Codec:
        """Of the node's own messages and records, and of those that plugins have now."""
        return self.messages.codec if self.messages is not None else CODEC

    @property
    def features(self) -> PluginFeatures:
        """Of plugins now: which are known, and which are said where."""
        return self.messages.features if self.messages is not None else PluginFeatures()


TARGET_BLOCKS: Final = 6  # within which a plugin's transaction is to be confirmed, if it says nothing else


# Any: each service has its own parameters and result, which its row names.
Serve = Callable[[Desk, Plugin, Any], Awaitable[object]]


@dataclass(frozen=True)
class Offer:
    """One service.

    capability: the kind that the user has to grant, "" if none is needed. params, result: what travels. text: a
    sentence. example: a line of a plugin. early: whether it can be asked before the node is complete. dear: whether the
    plugin decides how much the node computes for it (turns.py).
    """

    name: str
    capability: str
    params: type
    result: Any  # Any: what msgspec can hold, types that `type` cannot express too
    text: str
    example: str
    serve: Serve
    early: bool = False
    dear: bool = False


def there(service: T | None) -> T:
    """A part of the node. NodeStarting if it is not there yet."""
    if service is None:
        raise NodeStarting("The node is still starting, or stopping: ask again.")
    return service
