"""How is a node run, after the first evening? The story of `make run`, two nodes by hand, files, limits, copies."""

from typing import Final

from contrib.docs.markdown import page


def running() -> str:
    """The page."""
    return page(
        "Running a node",
        "## What `make run` shows\n",
        STORY,
        "## By hand\n",
        BY_HAND,
        "## What others may do, and what they pay\n",
        OTHERS,
        "## Backup and recovery\n",
        BACKUP,
    )


STORY: Final = """\
`make run` starts a regtest chain that Bitcoin Core's own consensus code checks, and two daemons, alice and bob, each
with a plugin in a process of its own. It takes a few seconds once everything is installed; each line carries its time,
and every figure is held against a second source: the other node, or the chain.

1. The processes: chain, nodes and plugins, with their ids, their folder, and the commands that started them.
2. Alice gets 2,000,000 sat from the faucet and opens a channel of 1,000,000 sat, of a type that the plugin adds.
3. They pay each other by BOLT 11 invoices.
4. `lnp lockbox-put`: the plugin puts an output of its own, 25,000 sat, into both sides' commitment transactions. Both
   nodes compute both transactions, and name the same ids.
5. Bob is killed (kill -9) while a payment hangs in the channel; his commitment is drawn, with the HTLC and the box. He
   is started again; the payment arrives with nobody's help, and both agree on the balances.
6. The close is refused, and the refusal names who blocks it: the box is open. Alice gives bob what is in it, and the
   close goes on.
7. The account: what the faucet gave is what both wallets hold and what two transactions cost, to the satoshi, read from
   the chain.

Then alice's shell is yours, with a few things to try; Ctrl-D ends it all. `make run` succeeds only if all of this
happened; Ctrl-C at any moment stops every process. `.venv/bin/python -m contrib.story --keep` keeps databases and logs.
"""
BY_HAND: Final = """\
    .venv/bin/lnpd init --plain-seed                               # the words of a new seed, once
    .venv/bin/lnpd --plain-seed --plugin=plugins/examples/hello.py          # a node with a regtest chain inside
    .venv/bin/lnp                                                  # in another terminal: a shell; `help` lists all

`lnpd regtest` runs one chain for several nodes, `lnpd --chain ipc://PATH` uses it: section 7 of the
[tutorial](tutorial.md) has the commands for a pair. `lnpd --help` lists the options,
`lnp COMMAND --help` says what a command takes, and every command prints JSON with `--json`.

    .venv/bin/lnpd --bitcoind=http://127.0.0.1:18443               # on the regtest of a bitcoind, by its cookie
    .venv/bin/lnpd --network signet                                # the bitcoind of ~/.bitcoin, found by itself

What is typed again and again belongs into a file, `~/.config/lnpd/config.toml`:

    alias = "alice"
    plugins = ["./hello.py"]           # seen from the file's folder
    [signet]                           # on this network alone
    listen = ["0.0.0.0:9735"]
    [plugin.hello]                     # a plugin's own options
    greeting = "good morning"

Every option can stand there, or in a variable (`LNPD_ALIAS`). `lnpd --check-config` shows what is in effect and who
said it, `lnp config` the same of a running node, and `lnp config set` changes what can be changed then
([configuration.md](configuration.md)). `lnp log --follow` shows what the node says, and
`--log-level-of peers=debug` has one part of it say more.

On other networks than regtest lnpd uses a bitcoind unless it is told otherwise;
[bitcoind.md](bitcoind.md) says how, and what helps. A password belongs into the variable
LNPD_BITCOIND rather than into an argument. Without a bitcoind `lnpd --electrum=ssl://HOST:PORT` asks a server that can
hide things, but forge none ([electrum.md](electrum.md)).
"""
OTHERS: Final = """\
`lnpd --limits cautious`, `default` or `open` says what peers may do: how many channels, how large, how many HTLCs,
which delays and feerates. Each limit is an option of its own beside it
([configuration.md](configuration.md)). `lnp info --features` names what is offered to peers, bit by
bit, and `lnp info --limits` what holds. What is asked for forwarding is set for the node by `--fee-base-msat` and its
kin, and for one channel by `lnp relay CHANNEL`, at once.
"""
BACKUP: Final = """\
Keep the words of the seed, and `channels.backup` on another disk (`lnpd --backup-file=PATH`; `lnp backup` shows it).
With both a lost node comes back: `lnpd restore FILE` has every peer close its channel, and claims what is ours; HTLCs
in flight and outputs of extensions are lost. With the words alone it finds the wallet, and what peers close by
themselves. Never start an older copy of the database, nor two nodes of one seed.

    lnp backup-database /media/usb/copy                            # a copy, while the node runs
    lnp check                                                      # is what is stored sound?
    lnpd check                                                     # of a node that does not run

[backup.md](backup.md) says what comes back, what is looked at, and what a start does about it.
"""
