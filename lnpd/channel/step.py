"""How does a driver run a channel?

    generator = step(channel, event)
    query = next(generator)             # answer it, generator.send(reply), until StopIteration
    channel, actions = stop.value       # store both in one transaction, then act

`step` raises ProtocolError (the peer broke a rule: run `failure.failed` instead, it is a step too) or CommandRefused
(nothing changed). `restored` is what a snapshot becomes when it is loaded.
"""

import msgspec

from lnpd.channel import handlers
from lnpd.channel.events import Block, Disconnected, Event, OutputSpent, OutputUnspent
from lnpd.channel.events import TransactionConfirmed, TransactionUnconfirmed
from lnpd.channel.state import Channel
from lnpd.channel.table import TRANSITIONS, Step, done
from lnpd.errors import ChannelNotReady, CommandRefused, UnexpectedMessage
from lnpd.wire.base import Message, Unknown

# What the chain or the connection did has happened, whether a phase cares or not.
FACTS = (Disconnected, TransactionConfirmed, TransactionUnconfirmed, OutputSpent, OutputUnspent, Block)
