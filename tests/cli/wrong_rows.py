"""Which wrong wishes are there? A hundred kinds and more: what is typed, written or sent, and what is said of it."""

from typing import Final, Literal, NamedTuple

MAINNET_ADDRESS: Final = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
TEST_NETWORK_ADDRESS: Final = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"
How = Literal["lnp", "script", "rpc", "lnpd", "file", "variable"]


class Row(NamedTuple):
    """What is said (a part of it), the exit code (of the RPC for a line that is sent), and the words.

    Values of the nodes stand in braces. `given` is what else there is: a script, a line of the RPC, a configuration
    file, or a variable.
    """

    says: str
    code: int
    line: str
    how: How = "lnp"
    given: str = ""


_LNP: Final = (
    # peers
    Row("127.0.0.1:1 cannot be reached", 1, "connect {stranger}@127.0.0.1:1"),
    Row("most likely it is not {stranger}", 1, "connect {stranger}@{bob_address}"),
    Row("That is this node itself", 1, "connect {alice}@{alice_address}"),
    Row("lnp connect {stranger}@HOST:PORT", 1, "connect {stranger}"),
    Row("address must be", 2, "connect {stranger}@"),
    Row("No peer begins with 02ffff", 1, "connect 02ffffff"),
    Row("No peer begins with 03ffff", 1, "ping 03ffff"),
    Row("peer must be a node id", 2, "ping nobody"),
    Row("There is no connection to", 1, "ping {stranger}"),
    Row("There is no connection to", 1, "disconnect {stranger}"),
    Row("is in use", 1, "listen {bob_address}"),
    # the wallet
    Row("The wallet has 1,", 1, "send {address} 90000000"),
    Row("is no bitcoin address of the network regtest", 1, "send {mainnet_address} 10000"),
    Row("amount_sat must be", 2, "send {address} 1.5sat"),
    Row("too few", 1, "send {address} 1"),
    Row("blocks must be", 2, "mine --blocks 0"),
    # opening
    Row("The wallet has 1,", 1, "open {bob} 1400000"),
    Row("20,000 sat or more, not 19,999", 1, "open {bob} 19999"),
    Row("at most 2,000,000 sat (--max-channel-sat), not 2,000,001", 1, "open {bob} 2000001"),
    Row("at most 2,500,000 sat (--max-total-sat): 1,000,000 are in channels, so 1,500,000 are left", 1,
        "open {bob} 1500001"),
    Row("The peer sent an error: A channel holds at most 1,200,000 sat", 1, "open {bob} 1200001"),
    Row("cannot be given away", 1, "open {bob} 100000 --push-msat 100001sat"),
    Row("cannot pay the first commitment's fee", 1, "open {bob} 100000 --push-msat 100000sat"),
    Row("no channel type 'golden'", 1, "open {bob} 100000 --channel-type golden"),
    Row("No plugin here provides 'gold'.", 1, "open {bob} 100000 --providers gold"),
    Row("There is no connection to", 1, "open {stranger} 100000"),
    Row("feerate_per_kw must be", 2, "open {bob} 100000 --feerate-per-kw 1"),
    # invoices and payments
    Row("0 msat", 1, "invoice nothing --amount-msat 0"),
    Row("amount_msat must be", 2, "invoice debt --amount-msat -5"),
    Row("expiry_seconds must be", 2, "invoice gone --expiry-seconds 0"),
    Row("expired", 1, "pay {expired}"),
    Row("The checksum does not match", 1, "pay {altered}"),
    Row("The checksum does not match", 1, "decode {altered}"),
    Row("The invoice is our own", 1, "pay {own}"),
    Row("the network", 1, "pay {mainnet_invoice}"),
    Row("names its amount", 1, "pay {priced} --amount-msat 5sat"),
    Row("names no amount", 1, "pay {open_amount}"),
    Row("900,000 sat cannot be sent: 799,999 sat are ours", 1, "pay {dear}"),
    Row("invoice must be", 2, "pay money"),
    # channels
    Row("No channel begins with ffffff", 1, "close ffffff"),
    Row("channel must be a channel id", 2, "close mine"),
    Row("is no bitcoin address of the network regtest", 1, "close {channel} --destination {mainnet_address}"),
    Row("lockbox", 1, "lockbox-put {channel} 50001"),
    Row("No channel begins with ffffff", 1, "lockbox-put ffffff 1000"),
    # words
    Row("did you mean connect", 2, "conect {stranger}@127.0.0.1:1"),
    Row("arguments are required: AMOUNT_SAT", 2, "open {bob}"),
    Row("Unrecognized arguments", 2, "info --loud"),
    Row("did you mean config", 2, "confg"),
    Row("lnp plugin --help lists", 2, "plugin"),
    Row("did you mean plugin list", 2, "plugin lst"),
    Row("see lnp --help", 2, "xyzzyx"),
    Row("Unrecognized arguments: more", 2, "peers more"),
    Row("Did you mean --amount-msat?", 2, "invoice tea --amount 3"),
    Row("expected one argument", 2, "invoice tea --amount-msat"),
    # the options of every command
    Row("--network is one of regtest, testnet", 2, "info --network mars"),
    Row("--directory takes a path", 2, "info --directory ~nobody-is-called-so"),
    Row("--timeout takes a number of seconds, not 'soon'", 2, "info --timeout soon"),
    Row("--timeout takes a number of seconds, not '-1'", 2, "info --timeout=-1"),
    Row("nothere.toml cannot be read: No such file", 2, "info --config {folder}/nothere.toml"),
    Row("No lnpd runs in {folder}/nowhere", 3, "info --directory {folder}/nowhere"),
    Row("--remote, --server-key and --key-file go together", 2, "info --remote tcp://127.0.0.1:1"),
    Row("--remote takes tcp://HOST:PORT", 2, "info --remote here --server-key {hex} --key-file k"),
    Row("--server-key takes a public key, 64 hex digits", 2,
        "info --remote tcp://127.0.0.1:1 --server-key 02 --key-file k"),
    Row("{folder}/theirs/k", 1, "info --remote tcp://127.0.0.1:1 --server-key {hex} --key-file k"),
    # values of each kind
    Row("amount_sat must be a whole number of satoshi", 2, "fund lots"),
    Row("amount_sat must be", 2, "fund 5gold"),
    Row("amount_sat must be", 2, "fund 21000001btc"),
    Row("amount_sat must be", 2, "fund 500msat"),
    Row("amount_sat must be", 2, "fund ٣"),
    Row("amount_sat must be", 2, "fund 1e5"),
    Row("from_height must be a whole number", 2, "rescan --from-height first"),
    Row("since must be a whole number", 2, "events --since yesterday"),
    Row("address must be an address host:port", 2, "listen 9735"),
    Row("address must be", 2, "listen 127.0.0.1:123456"),
    Row("amount_msat must be", 2, "pay {priced} --amount-msat much"),
    Row("peer must be a node id", 2, "ping {bob_upper}ff"),
    Row("peer must be", 2, "ping 02ff"),
    Row("destination must be a bitcoin address", 2, "close {channel} --destination me"),
    Row("invoice must be", 2, "decode {channel}"),
    Row("There is no plugin '{folder}", 1, "plugin stop Lock_Box"),
    Row("page 'opne' in the manual; did you mean 'open'", 2, "man opne"),
    Row("shell must be bash, zsh or fish", 2, "completion ksh"),
    Row("kind must be", 2, "complete-ids money"),
    Row("level must be debug, info, warning or error", 2, "log --level loud"),
    # amounts and addresses of other networks
    Row("is no bitcoin address of the network regtest", 1, "send {test_address} 10000"),
    Row("is no bitcoin address", 1, "send {address_garbled} 10000"),
    Row("is no bitcoin address", 1, "estimate send {mainnet_address} 10000"),
    Row("The wallet has 1,", 1, "estimate send {address} 20btc"),
    Row("No channel begins with ffffff", 1, "estimate close ffffff"),
    Row("No channel begins with ffffff", 1, "commitment ffffff"),
    Row("No channel begins with ffffff", 1, "relay ffffff"),
    Row("htlc_minimum_msat", 1, "relay {channel} --htlc-minimum-msat 2000 --htlc-maximum-msat 1000"),
    # routes
    Row("hop", 1, "pay {priced} --route nobody"),
    Row("route", 2, "pay {priced} --route x --route {long}"),
    Row("The checksum does not match", 1, "estimate pay {altered}"),
    Row("expired", 1, "estimate pay {expired}"),
    # plugins and settings
    Row("no plugin", 1, "plugin stop nothere"),
    Row("no plugin", 1, "plugin start {folder}/nothere.py"),
    Row("no plugin", 1, "plugin reload nothere"),
    Row("no plugin", 1, "plugin grants nothere"),
    Row("no hook", 1, "plugin explain htlc_acepted"),
    Row("no option", 1, "plugin set lockbox colour red"),
    Row("did you mean 'alias'", 1, "config ailas"),
    Row("is read when the node starts", 1, "config set network testnet"),
    Row("a whole number", 1, "config set fee_base_msat cheap"),
    Row("at most 32 bytes", 1, "config set alias {long}"),
    Row("colour", 1, "config unset colour"),
    # paths
    Row("box.sqlite3", 1, "backup-database {folder}/nowhere/box.sqlite3"),
    Row("box.sqlite3", 1, "backup-database /proc/box.sqlite3"),
    Row("cannot be written into /proc/man1", 1, "man --write /proc/man1"),
    Row("nothere.py", 1, "plugin check {folder}/nothere.py"),
    Row("cannot be a plugin's name", 2, "plugin new Class"),
    # scripts
    Row("The line cannot be read: a quote", 2, "", "script", "info --json\ninvoice 'unclosed\n"),
    Row("did you mean pay", 2, "", "script", "# a comment\n\npya {priced}\n"),
    Row("No channel begins with ffffff", 1, "", "script", "close ffffff\ninfo --json\n"),
    # lines of the RPC
    Row("JSON-RPC", -32700, "", "rpc", "pay everybody"),
    Row("Expected `object`, got `int`", -32600, "", "rpc", "17"),
    Row("batches", -32600, "", "rpc", '[{{"jsonrpc": "2.0", "id": 1, "method": "info"}}]'),
    Row("2.0", -32600, "", "rpc", '{{"jsonrpc": "1.0", "id": 1, "method": "info"}}'),
    Row("no batches", -32700, "", "rpc", "[" * 50_000),
    Row("at most 1048576 bytes", -32600, "", "rpc", '{{"id": 1, "method": "' + "x" * (1 << 20) + '"}}'),
    Row("inof", -32601, "", "rpc", '{{"jsonrpc": "2.0", "id": 1, "method": "inof"}}'),
    Row("ping needs peer", -32602, "", "rpc", '{{"jsonrpc": "2.0", "id": 1, "method": "ping"}}'),
    Row("no parameter 'size'", -32602, "", "rpc",
        '{{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {{"peer": "{bob}", "size": 1}}}}'),
    Row("amount_sat must be", -32602, "", "rpc",
        '{{"jsonrpc": "2.0", "id": 1, "method": "fund", "params": {{"amount_sat": "1000"}}}}'),
    Row("Number out of range", -32700, "", "rpc",
        '{{"jsonrpc": "2.0", "id": 1, "method": "fund", "params": {{"amount_sat": 1e400}}}}'),
)  # fmt: skip

_LNPD: Final = (
    # how lnpd is started
    Row("Unrecognized arguments: --loud", 2, "--loud", "lnpd"),
    Row("Unrecognized arguments: nowhere", 2, "nowhere", "lnpd"),
    Row("expected one argument", 2, "--alias", "lnpd"),
    Row("--network takes one of regtest", 2, "--network mars", "lnpd"),
    Row("say --experimental-mainnet as well", 2, "--network bitcoin", "lnpd"),
    Row("--plain-seed is refused on --network bitcoin", 2,
        "--network bitcoin --experimental-mainnet --plain-seed", "lnpd"),
    Row("--listen takes an address host:port", 2, "--listen here", "lnpd"),
    Row("--alias takes at most 32 bytes", 2, "--alias {long}", "lnpd"),
    Row("--minimum-depth takes a whole number from 1 to 144", 2, "--minimum-depth 0", "lnpd"),
    Row("--fee-base-msat takes a whole number", 2, "--fee-base-msat -1", "lnpd"),
    Row("--limits takes one of", 2, "--limits none", "lnpd"),
    Row("--min-channel-sat is above --max-channel-sat", 2, "--min-channel-sat 200000 --max-channel-sat 100000", "lnpd"),
    Row("--grant takes", 2, "--grant lockbox", "lnpd"),
    Row("--option takes", 2, "--option hello=hi", "lnpd"),
    Row("--bitcoind takes", 2, "--bitcoind nonsense", "lnpd"),
    Row("--electrum takes", 2, "--electrum http://a:1", "lnpd"),
    Row("--chain takes an endpoint ipc://PATH", 2, "--chain tcp://1.2.3.4:5", "lnpd"),
    Row("--dev-seed", 2, "--dev-seed 0505", "lnpd"),
    Row("has more than 80 bytes", 2, "--directory {folder}/{long}", "lnpd"),
    Row("cannot be read: No such file", 2, "--config {folder}/nothere.toml", "lnpd"),
    Row("has no seed yet", 14, "--directory {folder}/fresh", "lnpd"),
    Row("There is no plugin at {folder}/nothere.py", 17, "--directory {folder}/a --plugin {folder}/nothere.py", "lnpd"),
    Row("start a chain there with `lnpd regtest`", 19, "--directory {folder}/a --chain ipc://{folder}/none", "lnpd"),
    Row("has a seed already", 18, "init --directory {folder}/a --plain-seed", "lnpd"),
    Row("exclude each other", 2, "init --plain-seed --passphrase-file {folder}/word", "lnpd"),
    Row("not allowed with argument", 2, "init --words --xpriv", "lnpd"),
    Row("word", 1, "init --directory {folder}/fresh --plain-seed --words", "lnpd", "abandon abandon abandon"),
    Row("has a seed", 18, "restore --directory {folder}/a", "lnpd"),
    Row("nothere.backup", 20, "restore {folder}/nothere.backup --directory {folder}/fresh --plain-seed", "lnpd",
        "abandon " * 11 + "about"),
    Row("nothere.sqlite3", 11, "check {folder}/nothere.sqlite3", "lnpd"),
    Row("--endpoint takes an endpoint", 2, "regtest --endpoint tcp://1:2", "lnpd"),
    # configuration files
    Row("no option 'alais'; did you mean 'alias'", 2, "", "file", 'alais = "a"'),
    Row("wrong.toml is no TOML", 2, "", "file", "alias = "),
    Row("line 2: fee_base_msat takes", 2, "", "file", 'alias = "a"\nfee_base_msat = "cheap"'),
    Row("plain_seed takes true or false", 2, "", "file", 'plain_seed = "maybe"'),
    Row("regtest is a section", 2, "", "file", "regtest = 1"),
    Row("include each other", 2, "", "file", 'include = ["wrong.toml"]'),
    Row("none.toml, which", 2, "", "file", 'include = ["none.toml"]'),
    Row("is for tests, and an argument only", 2, "", "file", 'dev_seed = "05"'),
    Row("a table for each plugin", 2, "", "file", 'plugin = "hello"'),
    Row("is nested too deeply", 2, "", "file", "a = " + "[" * 20_000),
    # variables
    Row("There is no variable LNPD_ALAIS; did you mean LNPD_ALIAS", 2, "", "variable", "LNPD_ALAIS=a"),
    Row("LNPD_PLAIN_SEED takes true or false, not 'maybe'", 2, "", "variable", "LNPD_PLAIN_SEED=maybe"),
    Row("LNPD_NETWORK takes one of regtest", 2, "", "variable", "LNPD_NETWORK=mars"),
    Row("LNPD_LISTEN takes words as a shell reads them", 2, "", "variable", "LNPD_LISTEN='127"),
    Row("LNPD_DEV_SEED is for tests", 2, "", "variable", "LNPD_DEV_SEED=05"),
    Row("cannot be read", 2, "", "variable", "LNPD_CONFIG=/nowhere/at/all.toml"),
)  # fmt: skip
ROWS: Final = (*_LNP, *_LNPD)
