"""Does each option mean what it says, and is each forbidden combination refused by name?"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd import config
from lnpd.channel.presets import LIMITS, PRESETS, Limit, Limits
from lnpd.cli import options
from lnpd.config import Address, Config, Developer, FailPoint, Secret, default_directory
from lnpd.config.table import OPTIONS, Option
from lnpd.errors import ConfigRefused
from lnpd.store.points import PERSISTENCE_POINTS

POINT = next(iter(PERSISTENCE_POINTS))
SECRETS = ",".join(f"{n:02x}" * 32 for n in range(1, 7))
MAINNET = ["--network", "bitcoin", "--experimental-mainnet", "--chain", "ipc:///tmp/chain.sock"]


def parse(*words: str) -> Config:
    return options.config_of(options.parser("lnpd", "").parse_args(["--directory", "/tmp/node", *words]))


def test_without_options_it_is_a_regtest_node_of_the_home_directory() -> None:
    found = options.config_of(options.parser("lnpd", "").parse_args([]))
    assert found == Config(directory=default_directory("regtest"))
    assert (found.network, found.developer, found.coin, found.experimental_types) == ("regtest", None, 1, True)
    assert found.listen == (Address("127.0.0.1", 9735),)


READ: dict[str, tuple[list[str], str, object]] = {
    "network": (["--network", "signet", "--chain", "ipc:///c"], "network", "signet"),
    "listen": (["--listen", "127.0.0.1:0", "--listen", "[::1]:9736"], "listen",
               (Address("127.0.0.1", 0), Address("::1", 9736))),
    "listen nowhere": (["--listen", "none"], "listen", ()),
    "plugins": (["--plugin", "/a.py", "--plugin", "/b.py"], "plugins", (Path("/a.py"), Path("/b.py"))),
    "grants": (["--grant", "lockbox=updates:50000"], "grants", (("lockbox", "updates:50000"),)),
    "signer": (["--signer", "process"], "signer_process", True),
    "signer here": (["--signer", "in-process"], "signer_process", False),
    "chain": (["--chain", "ipc:///tmp/c"], "chain", "ipc:///tmp/c"),
    "chain's process": (["--chain-process"], "chain_process", True),
    "bitcoind": (["--bitcoind", "http://a:b@h:5"], "bitcoind", Secret("http://a:b@h:5")),
    "bitcoind by itself": (["--network", "bitcoin", "--experimental-mainnet"], "uses_bitcoind", True),
    "bitcoind on regtest": (["--bitcoind-directory", "/b"], "uses_bitcoind", True),
    "electrum": (
        ["--electrum", "ssl://a:1", "--electrum", "tcp://127.0.0.1:2"], "electrum", ("ssl://a:1", "tcp://127.0.0.1:2"),
    ),
    "electrum on another network": (["--network", "signet", "--electrum", "ssl://a:1"], "uses_bitcoind", False),
    "no bitcoind": ([], "uses_bitcoind", False),
    "wallet's birth": (["--wallet-birth-height", "800000"], "wallet_birth_height", 800_000),
    "depth": (["--minimum-depth", "6"], "minimum_depth", 6),
    "limits": (["--limits", "cautious"], "limits", PRESETS["cautious"]),
    "promise": (["--upfront-shutdown", "wallet"], "upfront_shutdown", "wallet"),
    "a limit beside them": (["--max-pending", "7", "--limits", "open"], "limits",
                            replace(PRESETS["open"], max_pending=7)),
    "log levels": (["--log-level-of", "peers=debug", "--log-level-of", "chain=error"], "log_levels",
                   (("peers", "debug"), ("chain", "error"))),
    "log file": (["--log-file", "lnpd.log"], "log_path", Path("/tmp/node/lnpd.log")),
    "log file elsewhere": (["--log-file", "/var/log/lnpd.log"], "log_path", Path("/var/log/lnpd.log")),
    "no log file": (["--log-file", "none"], "log_path", None),
    "alias": (["--alias", "Zoë"], "alias", "Zoë"),
    "developer": (["--developer"], "developer", Developer()),
    "node key": (["--developer", "--dev-node-key", "01" * 32], "developer", Developer(node_key=b"\x01" * 32)),
    "seed": (["--developer", "--dev-seed", "02" * 16], "developer", Developer(seed=b"\x02" * 16)),
    "channel secrets": (["--developer", "--dev-channel-secrets", SECRETS], "developer",
                        Developer(channel_secrets=tuple(bytes([n]) * 32 for n in range(1, 7)))),
    "fail at": (["--developer", "--dev-fail-at", POINT, "--dev-fail-at", f"{POINT}:after:3"], "developer",
                Developer(fail_at=(FailPoint(POINT), FailPoint(POINT, "after", 3)))),
    "poll": (["--developer", "--dev-poll-seconds", "0.05"], "developer", Developer(poll_seconds=0.05)),
    "redial": (["--developer", "--dev-redial-seconds", "0.1"], "developer", Developer(redial_seconds=0.1)),
    "no depth": (["--developer", "--dev-minimum-depth", "0"], "developer", Developer(minimum_depth=0)),
    "no timeouts": (["--developer", "--dev-no-htlc-timeouts"], "developer", Developer(htlc_timeouts=False)),
    "no type": (["--developer", "--dev-accept-without-channel-type"], "developer",
                Developer(require_channel_type=False)),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_an_option_sets_its_field(case: str) -> None:
    words, field, value = READ[case]
    assert getattr(parse(*words), field) == value


REFUSED: dict[str, tuple[list[str], str]] = {
    "unknown": (["--bogus"], "--bogus"),
    "abbreviated": (["--net", "regtest"], "--net"),
    "no value": (["--alias"], "--alias"),
    "network": (["--network", "mars"], "--network takes one of regtest"),
    "listen without port": (["--listen", "127.0.0.1"], "--listen takes an address host:port"),
    "listen above all ports": (["--listen", "127.0.0.1:65536"], "--listen takes"),
    "grant without plugin": (["--grant", "updates:5"], "--grant takes PLUGIN=CAPABILITY"),
    "grant of nothing known": (["--grant", "lockbox=everything"], "one of the capabilities"),
    "grant of no amount": (["--grant", "lockbox=updates:all"], "takes the form updates:MAX_SAT, not"),
    "alias too long": (["--alias", "x" * 33], "--alias takes at most 32 bytes"),
    "alias with a newline": (["--alias", "a\nb"], "--alias"),
    "signer": (["--signer", "cloud"], "--signer takes one of in-process, process"),
    "chain": (["--chain", "tcp://1.2.3.4:5"], "--chain takes an endpoint ipc://PATH"),
    "chain twice": (["--chain", "ipc:///c", "--chain-process"], "exclude each other"),
    "other network": (["--network", "signet", "--chain-process"], "needs --network regtest"),
    "two chains": (["--bitcoind", "auto", "--chain", "ipc:///c"], "exclude --chain and --chain-process"),
    "bitcoind and electrum": (["--bitcoind", "auto", "--electrum", "ssl://a:1"], "--electrum excludes --bitcoind"),
    "electrum by another scheme": (["--electrum", "http://a:1"], "--electrum takes ssl://HOST:PORT"),
    "electrum unprotected": (["--electrum", "tcp://a.example.org:1"], "everybody on the way"),
    "bitcoind by another scheme": (["--bitcoind", "https://a:secret@b:1"], "--bitcoind takes http://[USER:PASSWORD@]"),
    "bitcoind's port": (["--bitcoind", "http://h:65536"], "--bitcoind takes http://"),
    "depth of 0": (["--minimum-depth", "0"], "--minimum-depth takes a whole number from 1"),
    "feerates": (["--min-feerate-per-kw", "5000", "--max-feerate-per-kw", "300"], "is above --max-feerate"),
    "limits": (["--limits", "none"], "--limits takes one of cautious, default, open"),
    "smallest above largest": (
        ["--min-channel-sat", "30000", "--max-channel-sat", "20000"],
        "is above --max-channel-sat",
    ),
    "caps": (["--max-channel-sat", "100000", "--max-total-sat", "50000"], "is above --max-total-sat"),
    "log level": (["--log-level", "loud"], "--log-level takes one of"),
    "subsystem": (["--log-level-of", "peer=debug"], "takes SUBSYSTEM=LEVEL (did you mean 'peers'?), not 'peer=debug'"),
    "subsystem unlike any": (["--log-level-of", "x=debug"], "(subsystems are node, daemon, "),
    "subsystem's level": (["--log-level-of", "peers=loud"], "takes one of debug, info, warning, error, not"),
    "one log file": (["--log-files", "1"], "--log-files takes a whole number from 2"),
    "plain and passphrase": (["--plain-seed", "--passphrase-file", "/p"], "exclude each other"),
    "long path": (["--directory", "/" + "x" * 80], "more than 80 bytes"),
    "empty path": (["--plugin", ""], "--plugin takes a path"),
    "short key": (["--developer", "--dev-node-key", "01"], "--dev-node-key takes 32 bytes in hex"),
    "five secrets": (["--developer", "--dev-channel-secrets", SECRETS[65:]], "6 secrets"),
    "unknown point": (["--developer", "--dev-fail-at", "nowhere"], "one of the persistence points"),
    "unknown moment": (["--developer", "--dev-fail-at", f"{POINT}:during"], "--dev-fail-at takes POINT"),
    "zeroth time": (["--developer", "--dev-fail-at", f"{POINT}:after:0"], "--dev-fail-at takes POINT"),
    "poll": (["--developer", "--dev-poll-seconds", "0"], "--dev-poll-seconds takes seconds"),
    "seed elsewhere": (["--developer", "--dev-seed", "00" * 16, "--signer", "process"], "--signer in-process"),
    "mainnet": (["--network", "bitcoin"], "say --experimental-mainnet"),
    "mainnet's word elsewhere": (["--experimental-mainnet"], "goes with --network bitcoin only"),
    "mainnet for developers": ([*MAINNET, "--developer"], "--developer is refused on --network bitcoin"),
    "mainnet in plain": ([*MAINNET, "--plain-seed"], "a passphrase is required"),
    "mainnet, large": ([*MAINNET, "--max-channel-sat", "1000001"], "at most 1000000"),
    "mainnet, much": ([*MAINNET, "--max-total-sat", "5000001"], "at most 5000000"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_option_is_refused_by_name(case: str) -> None:
    words, sentence = REFUSED[case]
    with pytest.raises(ConfigRefused) as refused:
        parse(*words)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("row", [row for row in OPTIONS if row.developer], ids=lambda row: row.flag)
def test_a_developer_option_is_refused_without_the_word(row: Option) -> None:
    with pytest.raises(ConfigRefused, match=rf"{row.flag} is a developer option"):
        parse(row.flag, *(["1"] if row.metavar else []))


def test_mainnet_has_caps_and_no_experimental_types() -> None:
    found = parse(*MAINNET)
    assert (found.limits.max_channel_sat, found.limits.max_total_sat) == (1_000_000, 5_000_000)
    assert (found.coin, found.experimental_types) == (0, False)
    assert parse(*MAINNET, "--max-channel-sat", "50000").limits.max_channel_sat == 50_000
    assert parse(*MAINNET, "--limits", "cautious").limits.max_channel_sat == 1_000_000


def test_every_field_that_a_person_sets_has_an_option() -> None:
    fields = {row.field for row in OPTIONS if not row.developer and not row.limit}
    assert fields == set(Config.__struct_fields__) - {"given", "files"}
    limits = {row.field for row in OPTIONS if row.limit}
    assert limits == {row.field for row in LIMITS} == set(Limits.__struct_fields__) - {"preset"}
    assert {row.field for row in OPTIONS if row.developer} == set(Developer.__struct_fields__)


def test_secrets_are_not_shown() -> None:
    assert "0101" not in repr(parse("--developer", "--dev-node-key", "01" * 32))
    assert "\\x01" not in repr(parse("--developer", "--dev-node-key", "01" * 32))


def test_several_grants_of_one_plugin_add_up() -> None:
    found = parse("--grant", "lockbox=updates:5", "--grant", "lockbox=chain", "--grant", "./p/dlc.py=chain")
    assert found.granted() == {"lockbox": ("updates:5", "chain"), "./p/dlc.py": ("chain",)}


@given(st.text(max_size=60))
def test_no_text_breaks_a_reader(text: str) -> None:
    for row in OPTIONS:
        if row.metavar and "\0" not in text:
            try:
                row.read(text)
            except ValueError as error:
                assert str(error), "it says what it takes"


@given(st.text("abc.-:[]0123456789", max_size=30))
def test_an_address_reads_back(text: str) -> None:
    try:
        found = config.read_address(text)
    except ValueError:
        return
    assert config.read_address(str(found)) == found


def test_bitcoind_can_be_named_where_nobody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LNPD_BITCOIND", "http://alice:hunter2@h")
    assert parse().bitcoind == Secret("http://alice:hunter2@h")
    assert parse("--bitcoind", "auto").bitcoind == Secret("auto")
    assert options.config_of(options.parser("lnpd init", "").parse_args([]), config.SEED_RULES).bitcoind is None
    monkeypatch.setenv("LNPD_BITCOIND", "https://alice:hunter2@h")
    with pytest.raises(ConfigRefused, match="LNPD_BITCOIND takes") as refused:
        parse()
    assert "hunter2" not in str(refused.value) and "hunter2" not in repr(parse("--bitcoind", "http://a:hunter2@h"))


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: row.field)
@pytest.mark.parametrize("preset", PRESETS)
def test_each_limit_goes_before_its_presets(preset: str, row: Limit) -> None:
    for value in (row.least, row.most):
        changed = {row.field: value}
        try:
            found = parse("--limits", preset, row.flag, str(value)).limits
        except ConfigRefused as refused:  # by a rule of two limits
            assert "is above" in str(refused)
            continue
        assert found == replace(PRESETS[preset], **changed)
    for value in (row.least - 1, row.most + 1):
        with pytest.raises(ConfigRefused, match=f"{row.flag} takes a whole number"):
            parse(row.flag, str(value))
