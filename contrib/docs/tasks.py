"""Which command does an everyday task take here, and which elsewhere? Forty tasks, side by side."""

from typing import Final, NamedTuple

from contrib.docs.markdown import page, table

NONE: Final = ""


class Task(NamedTuple):
    """A task, and how it is done with lnpd, Core Lightning, LND and Electrum; empty where one has no command for it."""

    what: str
    lnpd: str
    core_lightning: str
    lnd: str
    electrum: str


Group = tuple[str, tuple[Task, ...]]
GROUPS: Final[tuple[Group, ...]] = (
    ("The node", (
        Task("make a seed", "lnpd init", NONE, "lncli create", "create()"),
        Task("start", "lnpd", "lightningd", "lnd", "electrum daemon -d"),
        Task("see how it is", "lnp info", "lightning-cli getinfo", "lncli getinfo", "getinfo()"),
        Task("look for what is wrong with it", "lnp doctor", NONE, NONE, NONE),
        Task("wait until the chain is read", "lnp wait", NONE, NONE, "wait_for_sync()"),
        Task("say more about a command", "lnp help open", "lightning-cli help fundchannel",
             "lncli help openchannel", "help(open_channel)"),
        Task("follow what happens", "lnp events", NONE, NONE, NONE),
        Task("read the log", "lnp log", "lightning-cli getlog", NONE, NONE),
        Task("show the configuration", "lnp config", "lightning-cli listconfigs", "lncli getdebuginfo",
             "listconfig()"),
        Task("change an option of a running node", "lnp config set min_channel_sat 100000",
             "lightning-cli setconfig min-capacity-sat 100000", NONE, "setconfig(KEY, VALUE)"),
        Task("log more", "lnp config set log_level debug", NONE, "lncli debuglevel --level=debug", NONE),
        Task("stop", "lnp stop", "lightning-cli stop", "lncli stop", "stop()"),
    )),
    ("Peers", (
        Task("connect to a peer", "lnp connect NODE_ID@HOST:9735", "lightning-cli connect NODE_ID@HOST:9735",
             "lncli connect NODE_ID@HOST:9735", 'add_peer("NODE_ID@HOST:9735")'),
        Task("list the peers", "lnp peers", "lightning-cli listpeers", "lncli listpeers", "list_peers()"),
        Task("see whether one answers", "lnp ping PEER", "lightning-cli ping NODE_ID", NONE, NONE),
        Task("end a connection", "lnp disconnect PEER", "lightning-cli disconnect NODE_ID",
             "lncli disconnect NODE_ID", NONE),
    )),
    ("The wallet", (
        Task("show a fresh address", "lnp address", "lightning-cli newaddr", "lncli newaddress p2wkh",
             "createnewaddress()"),
        Task("show the balance", "lnp funds", "lightning-cli bkpr-listbalances", "lncli walletbalance",
             "getbalance()"),
        Task("list the coins", "lnp funds", "lightning-cli listfunds", "lncli listunspent", "listunspent()"),
        Task("say what a payment on chain would cost", "lnp estimate send ADDRESS 50000", NONE,
             """lncli estimatefee '{"ADDRESS": 50000}'""", NONE),
        Task("pay on chain", "lnp send ADDRESS 50000", "lightning-cli withdraw ADDRESS 50000",
             "lncli sendcoins ADDRESS 50000", 'broadcast(payto("ADDRESS", 0.0005))'),
        Task("look for coins in the chain again", "lnp rescan --from-height 800000", "lightningd --rescan=-800000",
             "lnd --reset-wallet-transactions", NONE),
    )),
    ("Channels", (
        Task("say what opening one would cost", "lnp estimate open PEER 1000000", NONE, NONE, NONE),
        Task("open one", "lnp open PEER 1000000", "lightning-cli fundchannel NODE_ID 1000000",
             "lncli openchannel NODE_ID 1000000", 'open_channel("NODE_ID@HOST:9735", 0.01)'),
        Task("open one and give a part away", "lnp open PEER 1000000 --push-msat 200000sat",
             "lightning-cli fundchannel -k id=NODE_ID amount=1000000 push_msat=200000000",
             "lncli openchannel NODE_ID 1000000 200000", 'open_channel("NODE_ID@HOST:9735", 0.01, push_amount=0.002)'),
        Task("list them", "lnp channels", "lightning-cli listpeerchannels", "lncli listchannels", "list_channels()"),
        Task("see those that are being closed", "lnp channels --onchain", "lightning-cli listclosedchannels",
             "lncli pendingchannels", "list_channels()"),
        Task("see the commitment transaction", "lnp commitment CHANNEL", NONE, NONE, 'get_channel_ctx("TXID:N")'),
        Task("set what forwarding costs", "lnp relay CHANNEL --fee-base-msat 0 --fee-proportional-millionths 200",
             "lightning-cli setchannel NODE_ID 0 200",
             "lncli updatechanpolicy --base_fee_msat=0 --fee_rate_ppm=200 --time_lock_delta=80 --chan_point=TXID:N",
             NONE),
        Task("close one by agreement", "lnp close CHANNEL", "lightning-cli close NODE_ID",
             "lncli closechannel TXID N", 'close_channel("TXID:N")'),
        Task("close one alone", "lnp close CHANNEL --force", "lightning-cli close NODE_ID 1",
             "lncli closechannel --force TXID N", 'close_channel("TXID:N", force=True)'),
    )),
    ("Payments", (
        Task("make an invoice", 'lnp invoice "a coffee" --amount-msat 21sat',
             'lightning-cli invoice 21sat LABEL "a coffee"', 'lncli addinvoice --amt=21 --memo="a coffee"',
             'add_request(0.00000021, memo="a coffee", lightning=True)'),
        Task("list our invoices", "lnp invoices", "lightning-cli listinvoices", "lncli listinvoices",
             "list_requests()"),
        Task("see what an invoice says", "lnp decode INVOICE", "lightning-cli decode INVOICE",
             "lncli decodepayreq INVOICE", 'decode_invoice("INVOICE")'),
        Task("say what paying one would cost", "lnp estimate pay INVOICE", NONE,
             "lncli estimateroutefee --pay_req=INVOICE", NONE),
        Task("pay one", "lnp pay INVOICE", "lightning-cli pay INVOICE", "lncli payinvoice INVOICE",
             'lnpay("INVOICE")'),
        Task("list our payments", "lnp payments", "lightning-cli listpays", "lncli listpayments",
             "lightning_history()"),
        Task("list what was forwarded", "lnp forwards", "lightning-cli listforwards", "lncli fwdinghistory", NONE),
    )),
    ("Backups and plugins", (
        Task("back the channels up", "lnp backup", "lightning-cli staticbackup", "lncli exportchanbackup --all",
             'export_channel_backup("TXID:N")'),
        Task("bring channels back from a backup", "lnpd restore channels.backup", "lightning-cli emergencyrecover",
             "lncli restorechanbackup --multi_file=channel.backup", 'import_channel_backup("BACKUP")'),
        Task("copy the database while it is used", "lnp backup-database /media/usb/lnpd.sqlite3", NONE, NONE, NONE),
        Task("start a plugin", "lnp plugin start ./hello.py", "lightning-cli plugin start /path/hello.py", NONE, NONE),
        Task("list the plugins", "lnp plugin list", "lightning-cli plugin list", NONE, NONE),
    )),
)  # fmt: skip

HEAD: Final = """\
For who comes from another node. "none": that program has no command of its own for the task; perhaps it is done
otherwise there. `PEER` and `CHANNEL` may be the first digits of an id here; `TXID:N` is a channel's funding output.

The commands of lnpd are parsed by a test against the tables that `lnp` and `lnpd` run on. Those of the others were
looked up in their sources (Core Lightning, LND and Electrum, of August 2026), not run.
"""


def tasks() -> str:
    """The page."""
    parts = [HEAD]
    for name, rows in GROUPS:
        lines = ((row.what, *(f"`{each}`" if each else "none" for each in row[1:])) for row in rows)
        parts += [f"## {name}\n", table(("", "lnpd", "lightning-cli", "lncli", "Electrum's console"), lines)]
    return page("Everyday tasks, here and elsewhere", *parts)
