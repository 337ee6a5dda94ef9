"""What of the node are the services for plugins made with?"""

from lnpd_sdk.services.chain import MAX_WATCHES

from lnpd.services.channels.factories import Factories
from lnpd.services.channels.holding import Holding
from lnpd.services.channels.recall import Recall
from lnpd.services.events import Events
from lnpd.services.node.api import NodeApi
from lnpd.services.node.services import Services
from lnpd.services.plugins.notifying import Notifying
from lnpd.services.plugins.scripts import ScriptWatch
from lnpd.services.plugins.watching import OWNER, Watching
from lnpd.services.wallet.lending import Lending


def furnish(services: Services, api: NodeApi, events: Events) -> None:
    """Puts it on the host's desk, before any plugin is started. The channels come when the node is complete."""
    desk = services.plugins.desk
    desk.store = services.store
    desk.payments = services.payments
    desk.signer = services.signer
    desk.api = api
    desk.lending = Lending(services.wallet, services.store, services.signer)
    desk.holding = Holding(services.store, services.wallet.rows)
    desk.recall = Recall(services.store, services.channels.every, services.channels.frozen)
    desk.factories = Factories(api.commands)
    desk.feerate = services.watcher.feerate
    desk.events = api.events = events
    desk.pulse = services.pulse
    scripts = ScriptWatch(services.store, services.backend, events)
    desk.watching = Watching(services.store, services.watcher, events, MAX_WATCHES, scripts)
    services.watcher.others[OWNER] = desk.watching
    desk.notifying = Notifying(services.store, events, services.plugins.ready)
