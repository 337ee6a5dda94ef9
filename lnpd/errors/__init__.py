"""Which errors can lnpd raise, and which of them does a peer hear about?

One class for each broken rule. A pure layer raises; one place turns a ProtocolError into the `error` or `warning`
message that goes to the peer: channel/failure where it concerns a channel, peer/farewell where it ends a connection.
"""

from lnpd.errors.backup import *
from lnpd.errors.base import *
from lnpd.errors.bus import *
from lnpd.errors.chain import *
from lnpd.errors.channel import *
from lnpd.errors.channels import *
from lnpd.errors.crypto import *
from lnpd.errors.deadlines import *
from lnpd.errors.funding import *
from lnpd.errors.gates import *
from lnpd.errors.hooks import *
from lnpd.errors.onchain import *
from lnpd.errors.payments import *
from lnpd.errors.peer import *
from lnpd.errors.routing import *
from lnpd.errors.rpc import *
from lnpd.errors.signer import *
from lnpd.errors.store import *
from lnpd.errors.tx import *
from lnpd.errors.wire import *
