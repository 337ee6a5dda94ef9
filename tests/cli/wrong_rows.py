"""Which wrong wishes are there? A hundred kinds and more: what is typed, written or sent, and what is said of it."""

from typing import Final, Literal, NamedTuple

MAINNET_ADDRESS: Final = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
TEST_NETWORK_ADDRESS: Final = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"
How = Literal["lnp", "script", "rpc", "lnpd", "file", "variable"]


class Row(NamedTuple):
    """What is said (a part of it), the exit code (of the RPC for a line that is sent), the error's name, and the words.

    Values of the nodes stand in braces. `given` is what else there is: a script, a line of the RPC, a configuration
    file, or a variable.
    """

    says: str
    code: int
    error: str
    line: str
    how: How = "lnp"
    given: str = ""


_LNP: Final = (
    # peers
    Row("127.0.0.1:1 cannot be reached", 1, "PeerUnreachable", "connect {stranger}@127.0.0.1:1"),
    Row("most likely it is not {stranger}", 1, "WrongNodeId", "connect {stranger}@{bob_address}"),
    Row("That is this node itself", 1, "PeerTurnedAway", "connect {alice}@{alice_address}"),
    Row("lnp connect {stranger}@HOST:PORT", 1, "PeerAddressUnknown", "connect {stranger}"),
    Row("address must be", 2, "ParameterRefused", "connect {stranger}@"),
    Row("No peer begins with 02ffff", 1, "UnknownPeer", "connect 02ffffff"),
    Row("No peer begins with 03ffff", 1, "UnknownPeer", "ping 03ffff"),
    Row("peer must be a node id", 2, "ParameterRefused", "ping nobody"),
    Row("There is no connection to", 1, "PeerNotConnected", "ping {stranger}"),
    Row("There is no connection to", 1, "PeerNotConnected", "disconnect {stranger}"),
    Row("is in use", 1, "ListenRefused", "listen {bob_address}"),
    # the wallet
    Row("The wallet has 1,", 1, "InsufficientFunds", "send {address} 90000000"),
    Row("is no bitcoin address of the network regtest", 1, "AddressRefused", "send {mainnet_address} 10000"),
    Row("amount_sat must be", 2, "ParameterRefused", "send {address} 1.5sat"),
    Row("too few", 1, "OutputTooSmall", "send {address} 1"),
    Row("blocks must be", 2, "ParameterRefused", "mine --blocks 0"),
    # opening
    Row("The wallet has 1,", 1, "InsufficientFunds", "open {bob} 1400000"),
    Row("20,000 sat or more, not 19,999", 1, "ChannelTooSmall", "open {bob} 19999"),
    Row("at most 2,000,000 sat (--max-channel-sat), not 2,000,001", 1, "ChannelTooLarge", "open {bob} 2000001"),
    Row("at most 2,500,000 sat (--max-total-sat): 1,000,000 are in channels, so 1,500,000 are left", 1, "ChannelsFull",
        "open {bob} 1500001"),
    Row("The peer sent an error: A channel holds at most 1,200,000 sat", 1, "ChannelRefused", "open {bob} 1200001"),
    Row("cannot be given away", 1, "ChannelRefused", "open {bob} 100000 --push-msat 100001sat"),
    Row("cannot pay the first commitment's fee", 1, "ChannelRefused", "open {bob} 100000 --push-msat 100000sat"),
    Row("no channel type 'golden'", 1, "ChannelTypeUnknown", "open {bob} 100000 --channel-type golden"),
    Row("No plugin here provides 'gold'.", 1, "ChannelTypeUnknown", "open {bob} 100000 --providers gold"),
    Row("There is no connection to", 1, "PeerNotConnected", "open {stranger} 100000"),
    Row("feerate_per_kw must be", 2, "ParameterRefused", "open {bob} 100000 --feerate-per-kw 1"),
    # invoices and payments
    Row("0 msat", 1, "InvoiceAmountMalformed", "invoice nothing --amount-msat 0"),
    Row("amount_msat must be", 2, "ParameterRefused", "invoice debt --amount-msat -5"),
    Row("expiry_seconds must be", 2, "ParameterRefused", "invoice gone --expiry-seconds 0"),
    Row("expired", 1, "InvoiceExpired", "pay {expired}"),
    Row("The checksum does not match", 1, "InvoiceChecksumMismatch", "pay {altered}"),
    Row("The checksum does not match", 1, "InvoiceChecksumMismatch", "decode {altered}"),
    Row("The invoice is our own", 1, "InvoiceOfOurs", "pay {own}"),
    Row("the network", 1, "InvoiceOfOtherNetwork", "pay {mainnet_invoice}"),
    Row("names its amount", 1, "AmountUnfit", "pay {priced} --amount-msat 5sat"),
    Row("names no amount", 1, "AmountUnfit", "pay {open_amount}"),
    Row("900,000 sat cannot be sent: 799,999 sat are ours", 1, "PaymentFailed", "pay {dear}"),
    Row("invoice must be", 2, "ParameterRefused", "pay money"),
    # channels
    Row("No channel begins with ffffff", 1, "UnknownChannel", "close ffffff"),
    Row("channel must be a channel id", 2, "ParameterRefused", "close mine"),
    Row("is no bitcoin address of the network regtest", 1, "AddressRefused",
        "close {channel} --destination {mainnet_address}"),
    Row("lockbox", 1, "PluginRefused", "lockbox-put {channel} 50001"),
    Row("No channel begins with ffffff", 1, "UnknownChannel", "lockbox-put ffffff 1000"),
    # words
    Row("did you mean connect", 2, "NoSuchMethod", "conect {stranger}@127.0.0.1:1"),
    Row("arguments are required: AMOUNT_SAT", 2, "ParameterRefused", "open {bob}"),
    Row("Unrecognized arguments", 2, "ParameterRefused", "info --loud"),
    Row("did you mean config", 2, "NoSuchMethod", "confg"),
    Row("lnp plugin --help lists", 2, "NoSuchMethod", "plugin"),
    Row("did you mean plugin list", 2, "NoSuchMethod", "plugin lst"),
    Row("no command 'plugin close': did you mean close", 2, "NoSuchMethod", "plugin close"),
    Row("see lnp --help", 2, "NoSuchMethod", "xyzzyx"),
    Row("Unrecognized arguments: more", 2, "ParameterRefused", "peers more"),
    Row("Did you mean --amount-msat?", 2, "ParameterRefused", "invoice tea --amount 3"),
    Row("expected one argument", 2, "ParameterRefused", "invoice tea --amount-msat"),
    # the options of every command
    Row("--network is one of regtest, testnet", 2, "ParameterRefused", "info --network mars"),
    Row("--directory takes a path", 2, "ParameterRefused", "info --directory ~nobody-is-called-so"),
    Row("--timeout takes a number of seconds, not 'soon'", 2, "ParameterRefused", "info --timeout soon"),
    Row("--timeout takes a number of seconds, not '-1'", 2, "ParameterRefused", "info --timeout=-1"),
    Row("nothere.toml cannot be read: No such file", 2, "ConfigRefused", "info --config {folder}/nothere.toml"),
    Row("No lnpd runs in {folder}/nowhere", 3, "NodeUnavailable", "info --directory {folder}/nowhere"),
    Row("--remote, --server-key and --key-file go together", 2, "ParameterRefused", "info --remote tcp://127.0.0.1:1"),
    Row("--remote takes tcp://HOST:PORT", 2, "ParameterRefused", "info --remote here --server-key {hex} --key-file k"),
    Row("--server-key takes a public key, 64 hex digits", 2, "ParameterRefused",
        "info --remote tcp://127.0.0.1:1 --server-key 02 --key-file k"),
    Row("{folder}/theirs/k", 1, "KeyFileRefused", "info --remote tcp://127.0.0.1:1 --server-key {hex} --key-file k"),
    # values of each kind
    Row("amount_sat must be a whole number of satoshi", 2, "ParameterRefused", "fund lots"),
    Row("amount_sat must be", 2, "ParameterRefused", "fund 5gold"),
    Row("amount_sat must be", 2, "ParameterRefused", "fund 21000001btc"),
    Row("amount_sat must be", 2, "ParameterRefused", "fund 500msat"),
    Row("amount_sat must be", 2, "ParameterRefused", "fund ٣"),
    Row("amount_sat must be", 2, "ParameterRefused", "fund 1e5"),
    Row("from_height must be a whole number", 2, "ParameterRefused", "rescan --from-height first"),
    Row("since must be a whole number", 2, "ParameterRefused", "events --since yesterday"),
    Row("address must be an address host:port", 2, "ParameterRefused", "listen 9735"),
    Row("address must be", 2, "ParameterRefused", "listen 127.0.0.1:123456"),
    Row("amount_msat must be", 2, "ParameterRefused", "pay {priced} --amount-msat much"),
    Row("peer must be a node id", 2, "ParameterRefused", "ping {bob_upper}ff"),
    Row("peer must be", 2, "ParameterRefused", "ping 02ff"),
    Row("destination must be a bitcoin address", 2, "ParameterRefused", "close {channel} --destination me"),
    Row("invoice must be", 2, "ParameterRefused", "decode {channel}"),
    Row("There is no plugin '{folder}", 1, "PluginNotFound", "plugin stop Lock_Box"),
    Row("page 'opne' in the manual; did you mean 'open'", 2, "ParameterRefused", "man opne"),
    Row("shell must be bash, zsh or fish", 2, "ParameterRefused", "completion ksh"),
    Row("kind must be", 2, "ParameterRefused", "complete-ids money"),
    Row("level must be debug, info, warning or error", 2, "ParameterRefused", "log --level loud"),
    # amounts and addresses of other networks
    Row("is no bitcoin address of the network regtest", 1, "AddressRefused", "send {test_address} 10000"),
    Row("is no bitcoin address", 1, "AddressRefused", "send {address_garbled} 10000"),
    Row("is no bitcoin address", 1, "AddressRefused", "estimate send {mainnet_address} 10000"),
    Row("The wallet has 1,", 1, "InsufficientFunds", "estimate send {address} 20btc"),
    Row("No channel begins with ffffff", 1, "UnknownChannel", "estimate close ffffff"),
    Row("No channel begins with ffffff", 1, "UnknownChannel", "commitment ffffff"),
    Row("No channel begins with ffffff", 1, "UnknownChannel", "relay ffffff"),
    Row("htlc_minimum_msat", 1, "RelayTermsRefused",
        "relay {channel} --htlc-minimum-msat 2000 --htlc-maximum-msat 1000"),
    # routes
    Row("hop", 1, "RouteMalformed", "pay {priced} --route nobody"),
    Row("route", 2, "ParameterRefused", "pay {priced} --route x --route {long}"),
    Row("The checksum does not match", 1, "InvoiceChecksumMismatch", "estimate pay {altered}"),
    Row("expired", 1, "InvoiceExpired", "estimate pay {expired}"),
    # plugins and settings
    Row("no plugin", 1, "PluginNotFound", "plugin stop nothere"),
    Row("no plugin", 1, "PluginNotFound", "plugin start {folder}/nothere.py"),
    Row("no plugin", 1, "PluginNotFound", "plugin reload nothere"),
    Row("no plugin", 1, "PluginNotFound", "plugin grants nothere"),
    Row("no hook", 1, "NoSuchHook", "plugin explain htlc_acepted"),
    Row("no option", 1, "OptionRefused", "plugin set lockbox colour red"),
    Row("did you mean 'alias'", 1, "SettingRefused", "config ailas"),
    Row("is read when the node starts", 1, "SettingRefused", "config set network testnet"),
    Row("a whole number", 1, "SettingRefused", "config set fee_base_msat cheap"),
    Row("at most 32 bytes", 1, "SettingRefused", "config set alias {long}"),
    Row("colour", 1, "SettingRefused", "config unset colour"),
    # paths
    Row("box.sqlite3", 1, "DatabaseFailed", "backup-database {folder}/nowhere/box.sqlite3"),
    Row("box.sqlite3", 1, "DatabaseFailed", "backup-database /proc/box.sqlite3"),
    Row("cannot be written into /proc/man1", 1, "DirectoryUnusable", "man --write /proc/man1"),
    Row("nothere.py", 1, "PluginNotFound", "plugin check {folder}/nothere.py"),
    Row("cannot be a plugin's name", 2, "ParameterRefused", "plugin new Class"),
    # scripts
    Row("The line cannot be read: a quote", 2, "ParameterRefused", "", "script", "info --json\ninvoice 'unclosed\n"),
    Row("did you mean pay", 2, "NoSuchMethod", "", "script", "# a comment\n\npya {priced}\n"),
    Row("No channel begins with ffffff", 1, "UnknownChannel", "", "script", "close ffffff\ninfo --json\n"),
    # lines of the RPC
    Row("JSON-RPC", -32700, "RequestMalformed", "", "rpc", "pay everybody"),
    Row("Expected `object`, got `int`", -32600, "RequestMalformed", "", "rpc", "17"),
    Row("batches", -32600, "RequestMalformed", "", "rpc", '[{{"jsonrpc": "2.0", "id": 1, "method": "info"}}]'),
    Row("2.0", -32600, "RequestMalformed", "", "rpc", '{{"jsonrpc": "1.0", "id": 1, "method": "info"}}'),
    Row("no batches", -32700, "RequestMalformed", "", "rpc", "[" * 50_000),
    Row("at most 1048576 bytes", -32600, "RequestTooLong",
        "", "rpc", '{{"id": 1, "method": "' + "x" * (1 << 20) + '"}}'),
    Row("inof", -32601, "NoSuchMethod", "", "rpc", '{{"jsonrpc": "2.0", "id": 1, "method": "inof"}}'),
    Row("ping needs peer", -32602, "ParameterRefused", "", "rpc", '{{"jsonrpc": "2.0", "id": 1, "method": "ping"}}'),
    Row("no parameter 'size'", -32602, "ParameterRefused", "", "rpc",
        '{{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {{"peer": "{bob}", "size": 1}}}}'),
    Row("amount_sat must be", -32602, "ParameterRefused", "", "rpc",
        '{{"jsonrpc": "2.0", "id": 1, "method": "fund", "params": {{"amount_sat": "1000"}}}}'),
    Row("Number out of range", -32700, "RequestMalformed", "", "rpc",
        '{{"jsonrpc": "2.0", "id": 1, "method": "fund", "params": {{"amount_sat": 1e400}}}}'),
)  # fmt: skip

_LNPD: Final = (
    # how lnpd is started
    Row("Unrecognized arguments: --loud", 2, "ConfigRefused", "--loud", "lnpd"),
    Row("Unrecognized arguments: nowhere", 2, "ConfigRefused", "nowhere", "lnpd"),
    Row("expected one argument", 2, "ConfigRefused", "--alias", "lnpd"),
    Row("--network takes one of regtest", 2, "ConfigRefused", "--network mars", "lnpd"),
    Row("say --experimental-mainnet as well", 2, "ConfigRefused", "--network bitcoin", "lnpd"),
    Row("--plain-seed is refused on --network bitcoin", 2, "ConfigRefused",
        "--network bitcoin --experimental-mainnet --plain-seed", "lnpd"),
    Row("--listen takes an address host:port", 2, "ConfigRefused", "--listen here", "lnpd"),
    Row("--alias takes at most 32 bytes", 2, "ConfigRefused", "--alias {long}", "lnpd"),
    Row("--minimum-depth takes a whole number from 1 to 144", 2, "ConfigRefused", "--minimum-depth 0", "lnpd"),
    Row("--fee-base-msat takes a whole number", 2, "ConfigRefused", "--fee-base-msat -1", "lnpd"),
    Row("--limits takes one of", 2, "ConfigRefused", "--limits none", "lnpd"),
    Row("--min-channel-sat is above --max-channel-sat", 2, "ConfigRefused",
        "--min-channel-sat 200000 --max-channel-sat 100000", "lnpd"),
    Row("--grant takes", 2, "ConfigRefused", "--grant lockbox", "lnpd"),
    Row("--option takes", 2, "ConfigRefused", "--option hello=hi", "lnpd"),
    Row("--bitcoind takes", 2, "ConfigRefused", "--bitcoind nonsense", "lnpd"),
    Row("--electrum takes", 2, "ConfigRefused", "--electrum http://a:1", "lnpd"),
    Row("--chain takes an endpoint ipc://PATH", 2, "ConfigRefused", "--chain tcp://1.2.3.4:5", "lnpd"),
    Row("--dev-seed", 2, "ConfigRefused", "--dev-seed 0505", "lnpd"),
    Row("has more than 80 bytes", 2, "ConfigRefused", "--directory {folder}/{long}", "lnpd"),
    Row("cannot be read: No such file", 2, "ConfigRefused", "--config {folder}/nothere.toml", "lnpd"),
    Row("has no seed yet", 14, "SeedFileMissing", "--directory {folder}/fresh", "lnpd"),
    Row("There is no plugin at {folder}/nothere.py", 17, "PluginNotFound",
        "--directory {folder}/a --plugin {folder}/nothere.py", "lnpd"),
    Row("start a chain there with `lnpd regtest`", 19, "ChainUnreachable",
        "--directory {folder}/a --chain ipc://{folder}/none", "lnpd"),
    Row("has a seed already", 18, "SeedFileExists", "init --directory {folder}/a --plain-seed", "lnpd"),
    Row("exclude each other", 2, "ConfigRefused", "init --plain-seed --passphrase-file {folder}/word", "lnpd"),
    Row("not allowed with argument", 2, "ConfigRefused", "init --words --xpriv", "lnpd"),
    Row("word", 1, "SeedInvalid",
        "init --directory {folder}/fresh --plain-seed --words", "lnpd", "abandon abandon abandon"),
    Row("has a seed", 18, "SeedFileExists", "restore --directory {folder}/a", "lnpd"),
    Row("nothere.backup", 20, "BackupUnreadable",
        "restore {folder}/nothere.backup --directory {folder}/fresh --plain-seed", "lnpd",
        "abandon " * 11 + "about"),
    Row("nothere.sqlite3", 11, "DatabaseFailed", "check {folder}/nothere.sqlite3", "lnpd"),
    Row("--endpoint takes an endpoint", 2, "ConfigRefused", "regtest --endpoint tcp://1:2", "lnpd"),
    # configuration files
    Row("no option 'alais'; did you mean 'alias'", 2, "ConfigRefused", "", "file", 'alais = "a"'),
    Row("wrong.toml is no TOML", 2, "ConfigRefused", "", "file", "alias = "),
    Row("line 2: fee_base_msat takes", 2, "ConfigRefused", "", "file", 'alias = "a"\nfee_base_msat = "cheap"'),
    Row("plain_seed takes true or false", 2, "ConfigRefused", "", "file", 'plain_seed = "maybe"'),
    Row("regtest is a section", 2, "ConfigRefused", "", "file", "regtest = 1"),
    Row("include each other", 2, "ConfigRefused", "", "file", 'include = ["wrong.toml"]'),
    Row("none.toml, which", 2, "ConfigRefused", "", "file", 'include = ["none.toml"]'),
    Row("is for tests, and an argument only", 2, "ConfigRefused", "", "file", 'dev_seed = "05"'),
    Row("a table for each plugin", 2, "ConfigRefused", "", "file", 'plugin = "hello"'),
    Row("is nested too deeply", 2, "ConfigRefused", "", "file", "a = " + "[" * 20_000),
    # variables
    Row("There is no variable LNPD_ALAIS; did you mean LNPD_ALIAS", 2, "ConfigRefused", "", "variable", "LNPD_ALAIS=a"),
    Row("LNPD_PLAIN_SEED takes true or false, not 'maybe'", 2, "ConfigRefused",
        "", "variable", "LNPD_PLAIN_SEED=maybe"),
    Row("LNPD_NETWORK takes one of regtest", 2, "ConfigRefused", "", "variable", "LNPD_NETWORK=mars"),
    Row("LNPD_LISTEN takes words as a shell reads them", 2, "ConfigRefused", "", "variable", "LNPD_LISTEN='127"),
    Row("LNPD_DEV_SEED is for tests", 2, "ConfigRefused", "", "variable", "LNPD_DEV_SEED=05"),
    Row("cannot be read", 2, "ConfigRefused", "", "variable", "LNPD_CONFIG=/nowhere/at/all.toml"),
)  # fmt: skip
ROWS: Final = (*_LNP, *_LNPD)
