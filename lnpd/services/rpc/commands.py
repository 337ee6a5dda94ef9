"""Which commands does a node have? The one table: RPC, command line, completion, help and reference come from it.

A row's parameters are those of the Backend's method `call`, by name; a test compares the two. The command `plugin
list` is the RPC method `plugin.list`; what is required is a word on the command line, the rest are options.
"""

from typing import Any, Final

import msgspec

from lnpd.services.rpc import answers, backups, grants, hooks

NODE, PEERS, WALLET, CHANNELS, PAYMENTS, PLUGINS = "Node", "Peers", "Wallet", "Channels", "Payments", "Plugins"


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a command: its kind is a row of KINDS; an optional one that is not given has the default. What is
    `bare` may be given without its flag too."""

    name: str
    kind: str
    help: str
    required: bool = True
    default: Any = None  # a JSON value
    bare: bool = False

    @property
    def flag(self) -> str:
        """Its option on the command line."""
        return "--" + self.name.replace("_", "-")


class Command(msgspec.Struct, frozen=True):
    """A command. `result` is a class of answers.py, or a tuple of them; None where anything may come (a plugin's).

    `mutating` commands change something; `streaming` ones answer with notifications until they are ended.
    """

    name: str
    group: str
    help: str
    result: Any = None  # a type that msgspec converts into
    parameters: tuple[Parameter, ...] = ()
    mutating: bool = False
    call: str = ""
    examples: tuple[str, ...] = ()
    streaming: bool = False
    plugin: str = ""

    @property
    def method(self) -> str:
        """Its name in the RPC."""
        return self.name.replace(" ", ".")

    @property
    def handler(self) -> str:
        """The Backend's method that does it."""
        return self.call or self.name


def _optional(name: str, kind: str, help: str, default: object = None) -> Parameter:
    return Parameter(name, kind, help, False, default)


_PEER: Final = Parameter("peer", "peer", "the peer's node id, or its first digits")
_CHANNEL: Final = Parameter("channel", "channel", "the channel's id, or its first digits")
_PLUGIN: Final = Parameter("plugin", "plugin", "the plugin's name, or the path of its file")
_FEERATE: Final = _optional("feerate_per_kw", "per_kw", "satoshi per 1000 weight units (default: an estimate)")

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "info",
        NODE,
        "Show the node: its id, network, height, addresses, warnings.",
        answers.Info,
        (
            _optional("features", "boolean", "with each feature's name, odd or even, and where it is said", False),
            _optional("limits", "boolean", "with each limit that peers are held to, and which preset it is of", False),
        ),
        examples=("lnp info", "lnp info --features --json", "lnp info --limits"),
    ),
    Command("help", NODE, "List the node's commands, those of its plugins included.", tuple[dict[str, Any], ...]),
    Command(
        "events",
        NODE,
        "Follow what happens, each event with its sequence number.",
        answers.Event,
        (_optional("since", "integer", "begin after this sequence number (default: from now on)"),),
        streaming=True,
        examples=("lnp events --since 0",),
    ),
    Command("stop", NODE, "Stop the node once its channels' waiting steps are done.", answers.Done, mutating=True),
    Command("backup", NODE, "Show where the backup of the channels is, its age, and what it holds.", backups.Backup),
    Command(
        "backup-database",
        NODE,
        "Copy the database while the node runs.",
        backups.DatabaseCopy,
        (Parameter("file", "path", "where to, with its whole path; a file of that name is replaced"),),
        mutating=True,
        call="backup_database",
        examples=("lnp backup-database /media/usb/lnpd.sqlite3",),
    ),
    Command(
        "check",
        NODE,
        "Check whether what is stored is consistent, and what the chain says: balances, HTLCs, kept commitments, "
        "revocation secrets, fundings.",
        backups.StoreCheck,
    ),
    Command(
        "listen",
        PEERS,
        "Listen for peers at one more address until the node ends.",
        answers.Listening,
        (Parameter("address", "listen_address", "host:port"),),
        mutating=True,
        examples=("lnp listen 127.0.0.1:9735",),
    ),
    Command(
        "connect",
        PEERS,
        "Connect to a peer.",
        answers.Connected,
        (Parameter("address", "peer_address", "node_id@host:port; the node id alone if it was connected to before"),),
        mutating=True,
        examples=("lnp connect 0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798@127.0.0.1:9735",),
    ),
    Command("ping", PEERS, "Send a ping and time its pong.", answers.Pong, (_PEER,), examples=("lnp ping 0279be",)),
    Command("peers", PEERS, "List the peers.", tuple[answers.Peer, ...]),
    Command(
        "disconnect",
        PEERS,
        "End a connection.",
        answers.Done,
        (_PEER,),
        mutating=True,
        examples=("lnp disconnect 0279be",),
    ),
    Command("address", WALLET, "Show a fresh address of the wallet.", answers.Address, mutating=True),
    Command("funds", WALLET, "Show the wallet's coins and the balance in channels.", answers.Funds),
    Command(
        "rescan",
        WALLET,
        "Look for the wallet's coins in the chain again.",
        answers.Funds,
        (_optional("from_height", "integer", "begin at this block (default: the first)", 0),),
        mutating=True,
        examples=("lnp rescan --from-height 800000",),
    ),
    Command(
        "send",
        WALLET,
        "Pay from the wallet on chain.",
        answers.Sent,
        (
            Parameter("address", "bitcoin_address", "whom to pay"),
            Parameter("amount_sat", "sat", "how much"),
            _FEERATE,
        ),
        mutating=True,
        examples=("lnp send bcrt1q... 50000",),
    ),
    Command(
        "mine",
        WALLET,
        "Mine blocks (regtest only).",
        answers.Mined,
        (_optional("blocks", "blocks", "how many (default 1)", 1),),
        mutating=True,
        examples=("lnp mine --blocks 6",),
    ),
    Command(
        "fund",
        WALLET,
        "Let the faucet pay to the wallet, and mine what confirms it (regtest only).",
        answers.Funded,
        (Parameter("amount_sat", "sat", "how much"),),
        mutating=True,
        examples=("lnp fund 0.1btc",),
    ),
    Command(
        "open",
        CHANNELS,
        "Open a channel; wait until its funding transaction is broadcast.",
        answers.Opened,
        (
            _PEER,
            Parameter("amount_sat", "sat", "the channel's capacity"),
            _optional("push_msat", "msat", "give this much of it to the peer", 0),
            _optional(
                "channel_type",
                "text",
                "a type's name (default: the best that both speak); +scid_alias hides its id",
                "",
            ),
            _optional("providers", "names", "add this plugin's provider to the channel (repeatable)", ()),
            _optional(
                "feerate_per_kw",
                "per_kw",
                "what its commitments pay at first, per 1000 weight units (default: what is due)",
            ),
        ),
        mutating=True,
        examples=("lnp open 0279be 1000000", "lnp open 0279be 0.01btc --providers lockbox"),
    ),
    Command(
        "channels",
        CHANNELS,
        "List the channels, with what is not yet claimed on chain.",
        tuple[answers.Channel, ...],
        (_optional("onchain", "boolean", "only those that are on chain: each output, what is done, and when", False),),
        examples=("lnp channels", "lnp channels --onchain"),
    ),
    Command(
        "close",
        CHANNELS,
        "Close a channel; wait until the closing transaction is broadcast.",
        answers.Closed,
        (
            _CHANNEL,
            _optional("force", "boolean", "broadcast our commitment: the peer need not agree", False),
            _optional("destination", "bitcoin_address", "where our balance goes (default: the wallet)"),
            _optional("not_restored", "boolean", "with force: I am sure that the database is no older copy", False),
        ),
        mutating=True,
        examples=("lnp close 3f2a91", "lnp close 3f2a91 --force"),
    ),
    Command(
        "relay",
        CHANNELS,
        "Show, or set, what is asked for forwarding over a channel.",
        answers.Relayed,
        (
            _CHANNEL,
            _optional("fee_base_msat", "msat", "the fee for any HTLC"),
            _optional("fee_proportional_millionths", "integer", "and this much of a million of its amount"),
            _optional("cltv_expiry_delta", "integer", "blocks between the HTLC that comes in and that which goes out"),
            _optional("htlc_minimum_msat", "msat", "forward nothing smaller"),
            _optional("htlc_maximum_msat", "msat", "forward nothing larger"),
        ),
        mutating=True,
        examples=("lnp relay 3f2a91", "lnp relay 3f2a91 --fee-base-msat 0 --fee-proportional-millionths 200"),
    ),
    Command(
        "invoice",
        PAYMENTS,
        "Make an invoice.",
        answers.Invoice,
        (
            Parameter("description", "text", "what it is for"),
            _optional("amount_msat", "msat", "how much (default: the payer chooses)"),
            _optional("expiry_seconds", "seconds", "how long it can be paid (default 3600)", 3600),
        ),
        mutating=True,
        examples=('lnp invoice "a coffee" --amount-msat 21sat',),
    ),
    Command("invoices", PAYMENTS, "List our last invoices, newest first.", tuple[answers.Invoice, ...]),
    Command(
        "decode",
        PAYMENTS,
        "Show what an invoice says.",
        answers.Decoded,
        (Parameter("invoice", "invoice", "the invoice, ln..."),),
        examples=("lnp decode lnbcrt210n1...",),
    ),
    Command(
        "pay",
        PAYMENTS,
        "Pay an invoice; wait until it is paid or has failed.",
        answers.Paid,
        (
            Parameter("invoice", "invoice", "the invoice, ln..."),
            _optional("amount_msat", "msat", "how much, for an invoice that names no amount"),
            _optional("timeout_seconds", "seconds", "how long to wait (default 60)", 60),
            _optional(
                "route",
                "hops",
                "pay over this node: NODE_ID, or NODE_ID@SCID with the channel that leads to it, or"
                " NODE_ID@SCID:BASE_MSAT:MILLIONTHS:CLTV_DELTA with what is asked for it (repeatable, in order)",
                (),
            ),
            _optional("max_fee_msat", "msat", "pay at most this for forwarding (default: 5 per cent, at least 5 sat)"),
        ),
        mutating=True,
        examples=("lnp pay lnbcrt210n1...", "lnp pay lnbcrt210n1... --route 0279be... --route 02c604...@539x1x0"),
    ),
    Command(
        "forwards",
        PAYMENTS,
        "List what passed through this node last, newest first. What ended is kept until 10,000 came after it.",
        tuple[answers.Forward, ...],
    ),
    Command("payments", PAYMENTS, "List our last payments, newest first.", tuple[answers.Payment, ...]),
    Command(
        "plugin list",
        PLUGINS,
        "List the plugins: process, state, what each provides and may do.",
        tuple[answers.Plugin, ...],
        call="plugins",
    ),
    Command(
        "plugin explain",
        PLUGINS,
        "Show a hook: its plugins in the order in which they are asked, why, their filters, and what happens without.",
        hooks.HookShown,
        (Parameter("hook", "text", "a hook's name, PLUGIN/HOOK for one that a plugin offers"),),
        call="explain_hook",
        examples=("lnp plugin explain htlc_accepted",),
    ),
    Command(
        "plugin start",
        PLUGINS,
        "Start a plugin by its path, now and with the node until it is stopped, or again by its name, which ends a"
        " quarantine.",
        answers.Plugin,
        (_PLUGIN,),
        True,
        "plugin_start",
        ("lnp plugin start ./hello.py", "lnp plugin start hello"),
    ),
    Command(
        "plugin stop",
        PLUGINS,
        "Stop a plugin, also for the node's next starts, unless lnpd --plugin names it. Channels that pin one of its"
        " providers wait until it is started again.",
        answers.Plugin,
        (_PLUGIN,),
        True,
        "plugin_stop",
        ("lnp plugin stop hello",),
    ),
    Command(
        "plugin reload",
        PLUGINS,
        "Put a new process in the place of a plugin's, of the file as it is now. Nothing that it is asked is lost; if"
        " the new one does not come up, or would drop what a live channel pins, the old one goes on.",
        answers.Plugin,
        (_PLUGIN,),
        True,
        "plugin_reload",
        ("lnp plugin reload hello",),
    ),
    Command(
        "plugin options",
        PLUGINS,
        "List the options of the plugins that run, or of one: values, who gave them, which can be set.",
        tuple[answers.PluginOption, ...],
        (Parameter("plugin", "plugin", "of this plugin alone", required=False, bare=True),),
        call="plugin_options",
        examples=("lnp plugin options", "lnp plugin options hello"),
    ),
    Command(
        "plugin set",
        PLUGINS,
        "Set a dynamic option of a plugin that runs. The value is kept when the plugin or the node is started again.",
        answers.PluginOption,
        (
            _PLUGIN,
            Parameter("option", "text", "the option's name"),
            Parameter("value", "text", "its new value"),
        ),
        True,
        "plugin_set",
        ("lnp plugin set hello greeting hi",),
    ),
    Command(
        "plugin grants",
        PLUGINS,
        "Show what a plugin asks for, what it was granted, what of a limit is used, and what is missing.",
        grants.GrantsShown,
        (_PLUGIN,),
        call="plugin_grants",
        examples=("lnp plugin grants lockbox",),
    ),
)

BY_METHOD: Final = {command.method: command for command in COMMANDS}
