"""In which values does a running node answer a person or a program?

Everything is as the RPC shows it: amounts are integers with the unit in their name; bytes are lower-case hex (`Hex`);
transaction and block ids are written as explorers write them, bytes reversed (`Txid`); an output is "txid:index".
"""

from lnpd.rpc.answers.backups import BackedUpChannel, Backup, BackupFile, DatabaseCopy, StoreCheck, StoreProblem
from lnpd.rpc.answers.channels import (
    Channel,
    Closed,
    ExtensionOutput,
    Forward,
    Htlc,
    OnchainOutput,
    Opened,
    Relayed,
    RelayTerms,
)
from lnpd.rpc.answers.commitment import Commitment, CommitmentChild, CommitmentOutput, SpendingWay, TrimmedOutput
from lnpd.rpc.answers.config import Setting
from lnpd.rpc.answers.doctor import SEVERITIES, Finding, Severity
from lnpd.rpc.answers.estimates import Estimate
from lnpd.rpc.answers.grants import GrantShown, GrantsShown
from lnpd.rpc.answers.hooks import HookPart, HookShown
from lnpd.rpc.answers.ids import ChannelId, Hex, NodeId, Outpoint, Txid
from lnpd.rpc.answers.log import Log, LogLine
from lnpd.rpc.answers.node import Done, Event, Feature, Info, Limit
from lnpd.rpc.answers.payments import PAID_BEFORE, Decoded, Invoice, Paid, Payment
from lnpd.rpc.answers.peers import Connected, Listening, Peer, Pong
from lnpd.rpc.answers.plugins import Plugin, PluginOption
from lnpd.rpc.answers.wallet import Address, Coin, Funded, Funds, Mined, Sent

__all__ = [
    "PAID_BEFORE", "SEVERITIES", "Address", "BackedUpChannel", "Backup", "BackupFile", "Channel", "ChannelId",
    "Closed", "Coin", "Commitment", "CommitmentChild", "CommitmentOutput", "Connected", "DatabaseCopy", "Decoded",
    "Done", "Estimate", "Event", "ExtensionOutput", "Feature", "Finding", "Forward", "Funded", "Funds",
    "GrantShown", "GrantsShown", "Hex", "HookPart", "HookShown", "Htlc", "Info", "Invoice", "Limit", "Listening",
    "Log", "LogLine", "Mined", "NodeId", "OnchainOutput", "Opened", "Outpoint", "Paid", "Payment", "Peer",
    "Plugin", "PluginOption", "Pong", "RelayTerms", "Relayed", "Sent", "Setting", "Severity", "SpendingWay",
    "StoreCheck", "StoreProblem", "TrimmedOutput", "Txid",
]  # fmt: skip
