"""Which of several values counts, who is said to have said it, and is what is wrong refused by file, line and key?"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lnpd.cli import lnp, options
from lnpd.cli.doctor.of_files import SEED_NAME
from lnpd.cli.effect import printed
from lnpd.cli.exits import USAGE
from lnpd.config import Config, Secret, places
from lnpd.config.build import built
from lnpd.config.elsewhere import directory_of
from lnpd.config.file import MAX_BYTES, MAX_DEPTH, line_of, read_file
from lnpd.config.listing import HIDDEN, Setting
from lnpd.config.listing import settings as listed
from lnpd.config.model import NETWORKS
from lnpd.config.table import BY_KEY, OPTIONS
from lnpd.errors import ConfigRefused
from lnpd.store.database import DATABASE_NAME


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, on Linux, with nothing configured; its path is short, for the sockets in a data directory."""
    with TemporaryDirectory(prefix="h") as folder:
        yield furnished(Path(folder).resolve(), monkeypatch)


def furnished(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("LNPD_CONFIG", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (home / ".config" / "lnpd").mkdir(parents=True)
    return home


def write(home: Path, text: str, name: str = "config.toml") -> Path:
    path = home / ".config" / "lnpd" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def config(*words: str) -> Config:
    return options.config_of(options.parser("lnpd", "").parse_args(words))


def said(found: Config) -> dict[str, Setting]:
    return {each.key: each for each in listed(found)}


# file, environment, words -> key, value, source
COUNTS: dict[str, tuple[str, dict[str, str], list[str], str, object, str]] = {
    "nobody": ("", {}, [], "alias", "lnpd", "default"),
    "the file": ('alias = "f"', {}, [], "alias", "f", "file"),
    "the variable over the file": ('alias = "f"', {"LNPD_ALIAS": "e"}, [], "alias", "e", "environment"),
    "the argument over both": ('alias = "f"', {"LNPD_ALIAS": "e"}, ["--alias", "a"], "alias", "a", "argument"),
    "the argument over the file": ('alias = "f"', {}, ["--alias", "a"], "alias", "a", "argument"),
    "the section over the common keys": ('alias = "f"\n[regtest]\nalias = "s"', {}, [], "alias", "s", "file"),
    "another network's section": ('alias = "f"\n[signet]\nalias = "s"', {}, [], "alias", "f", "file"),
    "the section of a named network": ('[signet]\nalias = "s"', {}, ["--network", "signet"], "alias", "s", "file"),
    "of one in a variable": ('[signet]\nalias = "s"', {"LNPD_NETWORK": "signet"}, [], "alias", "s", "file"),
    "of one in the file": ('network = "signet"\n[signet]\nalias = "s"', {}, [], "alias", "s", "file"),
    "a number": ("fee_base_msat = 7", {}, [], "fee_base_msat", 7, "file"),
    "a number as a text": ('fee_base_msat = "7"', {}, [], "fee_base_msat", 7, "file"),
    "a flag": ("plain_seed = true", {}, [], "plain_seed", True, "file"),
    "a flag taken back": ("plain_seed = true", {"LNPD_PLAIN_SEED": "no"}, [], "plain_seed", False, "environment"),
    "a flag of a variable": ("", {"LNPD_PLAIN_SEED": "1"}, [], "plain_seed", True, "environment"),
    "a list": ('electrum = ["ssl://a:1", "ssl://b:2"]', {}, [], "electrum", ["ssl://a:1", "ssl://b:2"], "file"),
    "a list of one": ('listen = "127.0.0.1:1"', {}, [], "listen", ["127.0.0.1:1"], "file"),
    "a list in place of a list": ('listen = ["127.0.0.1:1"]', {"LNPD_LISTEN": "[::1]:2 [::1]:3"}, [], "listen",
                                  ["[::1]:2", "[::1]:3"], "environment"),
    "nowhere": ('listen = "none"', {}, [], "listen", [], "file"),
    "a table of lists": ('[grants]\nhello = ["messages", "chain"]', {}, [], "grants.hello", ["messages", "chain"],
                         "file"),
    "a table's entry over another": ('[grants]\na = "chain"', {}, ["--grant", "a=messages"], "grants.a", ["messages"],
                                     "argument"),
    "a table's entry beside another": ('[grants]\na = "chain"', {}, ["--grant", "b=messages"], "grants.a", ["chain"],
                                       "file"),
    "a plugin's option": ('[plugin.hello]\ngreeting = "hi"\nloud = true', {}, [], "plugin.hello.loud", "true", "file"),
    "a plugin's option, typed": ('[plugin.hello]\ngreeting = "hi"', {}, ["--option", "hello.greeting=ho"],
                                 "plugin.hello.greeting", "ho", "argument"),
    "a plugin's option of a network": ('[plugin.hello]\ngreeting = "hi"\n[regtest.plugin.hello]\ngreeting = "he"', {},
                                       [], "plugin.hello.greeting", "he", "file"),
    "a key of a plugin": (f'[remote_plugins]\nfar = "{"ab" * 32}"', {}, [], "remote_plugins.far", "ab" * 32, "file"),
    "a choice": ('signer = "process"', {}, [], "signer", "process", "file"),
    "a preset": ('limits = "cautious"', {}, [], "max_accepted_htlcs", 30, "default"),
    "mainnet's cap": ("limits = 'open'", {"LNPD_EXPERIMENTAL_MAINNET": "1"}, ["--network", "bitcoin"],
                      "max_channel_sat", 1_000_000, "default"),
    "a limit": ('limits = "cautious"\nmax_accepted_htlcs = 7', {}, [], "max_accepted_htlcs", 7, "file"),
    "a password": ("", {"LNPD_BITCOIND": "http://a:hunter2@h"}, [], "bitcoind", HIDDEN, "environment"),
    "a plugin's password": ('[plugin.mood]\napi_key = "hunter2"', {}, [], "plugin.mood.api_key", HIDDEN, "file"),
    "no password": ('bitcoind = "auto"', {}, [], "bitcoind", "auto", "file"),
}  # fmt: skip


@pytest.mark.parametrize("case", COUNTS)
def test_what_counts_and_who_said_it(home: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    text, environment, words, key, value, source = COUNTS[case]
    write(home, f'{text}\n[testnet]\nalias = "t"\n')
    for name, word in environment.items():
        monkeypatch.setenv(name, word)
    if key.startswith("remote"):
        words = [*words, "--plugin-listen", "tcp://127.0.0.1:9"]
    found = said(config(*words))[key]
    assert (found.value, found.source) == (value, source)
    assert found.place.startswith(str(home)) == (source == "file") and ("LNPD_" in found.place) == bool(
        source == "environment"
    )


def test_every_option_can_be_said_in_the_file_and_in_the_environment_unless_it_is_for_tests() -> None:
    assert len({row.key for row in OPTIONS}) == len({row.variable for row in OPTIONS}) == len(OPTIONS)
    assert {row.flag for row in OPTIONS if not row.said} == {
        row.flag for row in OPTIONS if row.flag == "--developer" or row.flag.startswith("--dev-")
    }


# a file's text -> what its refusal says
REFUSED: dict[str, tuple[str, str]] = {
    "an unknown key": ('\nalais = "x"', "line 2: there is no option 'alais'; did you mean 'alias'?"),
    "a flag for a key": ("fee-base-msat = 1", "there is no option 'fee-base-msat'; did you mean 'fee_base_msat'?"),
    "an unknown section": ("[regtset]\nalias = 'x'", "line 1: there is no option 'regtset'; did you mean 'regtest'?"),
    "an unknown key of a section": ("[signet]\n\nalais = 'x'", "line 3: there is no option 'alais' in [signet]"),
    "a network in a section": ("[signet]\nnetwork = 'signet'", "there is no option 'network' in [signet]"),
    "no section": ("regtest = 5", "regtest is a section: [regtest]"),
    "a value": ("\n\nalias = '" + "x" * 33 + "'", "line 3: alias takes at most 32 bytes"),
    "another network's value": ("[testnet]\nminimum_depth = 0", "line 2: minimum_depth takes a whole number from 1"),
    "a truth for a text": ("alias = true", "alias takes NAME, not true"),
    "a text for a truth": ("plain_seed = 'yes'", "plain_seed takes true or false, not 'yes'"),
    "a list for a text": ("alias = ['a']", "alias takes NAME, not ['a']"),
    "a table for a text": ("[alias]\na = 1", "alias takes NAME, not {'a': 1}"),
    "a date": ("alias = 2026-01-01", "alias takes NAME, not 2026-01-01"),
    "a list of lists": ("listen = [['a']]", "listen takes a list of HOST:PORT, not ['a']"),
    "plugins under the name of their options": ("plugin = ['a.py']", "which plugins are started, `plugins` says"),
    "a flat plugin's table": ("[plugin]\nhello = 1", "plugin takes a table for each plugin, [plugin.NAME]"),
    "a list for a plugin": ("[plugin.hello]\na = [1]", "line 2: plugin.hello.a takes a text or a number, not [1]"),
    "a plugin's bad name": ("[plugin.Hello]\na = 1", "plugin.Hello.a takes PLUGIN.OPTION=VALUE"),
    "an unknown grant": ("[grants]\na = 'all'", "line 2: grants.a takes one of the capabilities"),
    "a number for a grant": ("[grants]\na = [true]", "grants.a takes texts, not true"),
    "the developer": ("developer = true", "developer is for tests, and an argument only: --developer"),
    "a developer's option": ("dev_seed = '00'", "dev_seed is for tests, and an argument only: --dev-seed"),
    "no TOML": ("alias = \n", "is no TOML: Invalid value (at line 1, column 9)"),
    "a key twice": ("alias = 'a'\nalias = 'b'\n", "is no TOML: Cannot overwrite a value (at line 2"),
    "a nest": ("alias = " + "[" * 100_000, "is no TOML: it is nested too deeply"),
    "a long number": ("alias = 1" + "0" * 5000, "is no TOML: "),
    "includes a number": ("include = 5", "line 1: include takes paths of files, not 5"),
    "includes what is not there": ("include = ['no.toml']", "no.toml, which"),
    "includes itself": ("include = ['./config.toml']", "Configuration files include each other: "),
    "a rule": ("max_channel_sat = 30_000\nmin_channel_sat = 40_000",
               "--min-channel-sat is above --max-channel-sat. --max-channel-sat stands in "),
    "mainnet's": ("network = 'bitcoin'", "say --experimental-mainnet as well. --network stands in "),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_file_is_refused_by_name(home: Path, case: str) -> None:
    text, sentence = REFUSED[case]
    path = write(home, text)
    with pytest.raises(ConfigRefused) as refused:
        config()
    assert sentence in str(refused.value) and str(path.parent) in str(refused.value)
    assert "\n" not in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 70) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([row.key for row in OPTIONS] + [*NETWORKS, "include", "x", "plugin.hello"])


def toml(value: object) -> str:
    """A JSON value in TOML, which has no null."""
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value) if value is not None else "1979-05-27"


@given(st.dictionaries(KEYS, JSON, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_says_is_taken_or_refused(tmp_path: Path, said: dict[str, object]) -> None:
    path = tmp_path / "config.toml"
    path.write_text("\n".join(f"{key} = {toml(value)}" for key, value in said.items()))
    path.chmod(0o600)
    try:
        contents = read_file(path)
        for network in NETWORKS:
            built(contents.of(network))
    except ConfigRefused as refused:
        assert str(refused) and "\n" not in str(refused)


VARIABLES: dict[str, tuple[dict[str, str], str]] = {
    "misspelt": ({"LNPD_ALAIS": "x"}, "There is no variable LNPD_ALAIS; did you mean LNPD_ALIAS?"),
    "a value": ({"LNPD_MINIMUM_DEPTH": "0"}, "LNPD_MINIMUM_DEPTH takes a whole number from 1 to 144, not '0'"),
    "a flag": ({"LNPD_PLAIN_SEED": "perhaps"}, "LNPD_PLAIN_SEED takes true or false, not 'perhaps'"),
    "quotes": ({"LNPD_PLUGINS": "'a"}, "LNPD_PLUGINS takes words as a shell reads them: No closing quotation"),
    "the developer": ({"LNPD_DEVELOPER": "1"}, "LNPD_DEVELOPER is for tests, and an argument only: --developer"),
    "a developer's": ({"LNPD_DEV_SEED": "00" * 16}, "LNPD_DEV_SEED is for tests"),
    "a password": ({"LNPD_BITCOIND": "x:hunter2@h"}, "LNPD_BITCOIND takes http://"),
    "a rule": ({"LNPD_MAX_CHANNEL_SAT": "20000", "LNPD_MIN_CHANNEL_SAT": "30000"},
               "--min-channel-sat is LNPD_MIN_CHANNEL_SAT of the environment."),
    "a file that is not there": ({"LNPD_CONFIG": "/nowhere.toml"}, "/nowhere.toml cannot be read: No such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", VARIABLES)
def test_a_wrong_variable_is_refused_by_name(home: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    environment, sentence = VARIABLES[case]
    for name, word in environment.items():
        monkeypatch.setenv(name, word)
    with pytest.raises(ConfigRefused) as refused:
        config()
    assert sentence in str(refused.value) and "hunter2" not in str(refused.value)


def test_variables_of_others_are_none_of_ours(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LNPD_PORT", "tcp://10.0.0.1:9735")  # as an orchestrator names a service
    assert config().given == ()


def test_a_fifo_is_refused_and_not_waited_for(home: Path) -> None:
    around = write(home, 'include = "pipe"', "around.toml")
    os.mkfifo(pipe := around.with_name("pipe"), 0o600)
    for path in (pipe, around):
        with pytest.raises(ConfigRefused, match="pipe is no file"):
            read_file(path)


def test_files_include_others(home: Path) -> None:
    write(home, 'alias = "deep"\nfee_base_msat = 1\ncltv_expiry_delta = 100', "more/deep.toml")
    write(
        home, 'include = "more/deep.toml"\nalias = "middle"\nplugins = ["p.py"]\n[regtest]\nfee_base_msat = 2', "m.toml"
    )
    path = write(home, 'include = ["m.toml", "more/deep.toml"]\ncltv_expiry_delta = 90\nbackup_file = "~/b"')
    found, folder = config(), path.parent
    assert (found.alias, found.fee_base_msat, found.cltv_expiry_delta) == ("deep", 2, 90)
    assert found.plugins == (folder / "p.py",) and found.backup_file == home / "b"
    assert found.files == (folder / "more/deep.toml", folder / "m.toml", path)
    assert said(found)["fee_base_msat"].place == f"{folder / 'm.toml'}, line 5"


def test_circles_depth_number_and_size_of_files_are_bounded(home: Path) -> None:
    for n in range(MAX_DEPTH + 2):
        write(home, f"include = '{n + 1}.toml'", f"{n}.toml")
    with pytest.raises(ConfigRefused, match=f"more than {MAX_DEPTH} deep"):
        read_file(write(home, "include = '0.toml'"))
    write(home, "include = 'b.toml'", "a.toml")
    write(home, "include = 'a.toml'", "b.toml")
    with pytest.raises(ConfigRefused, match=r"a\.toml includes .*b\.toml includes .*a\.toml\."):
        read_file(home / ".config" / "lnpd" / "a.toml")
    write(home, "", "empty.toml")
    with pytest.raises(ConfigRefused, match="includes more than 64 files"):
        read_file(write(home, f"include = {['empty.toml'] * 65}"))
    with pytest.raises(ConfigRefused, match=f"more than {MAX_BYTES} bytes"):
        read_file(write(home, "#" * (MAX_BYTES + 1)))


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        ("", 0o602, "can be written by everybody"),
        ("bitcoind = 'http://a:hunter2@h'", 0o640, "line 1: bitcoind holds a password, and others may read the file"),
        ("bitcoind = 'http://h'", 0o644, ""),
    ],
)
def test_a_file_is_as_private_as_what_it_says(home: Path, text: str, mode: int, sentence: str) -> None:
    path = write(home, text)
    path.chmod(mode)
    if not sentence:
        assert config().bitcoind == Secret("http://h:0") or config().bitcoind is not None
        return
    with pytest.raises(ConfigRefused, match=sentence) as refused:
        config()
    assert "hunter2" not in str(refused.value)


def test_what_is_in_effect_is_printed_as_a_file_that_says_the_same(home: Path) -> None:
    write(home, 'alias = "a \\" b"\n[grants]\n"./x/y.py" = "chain"\n[plugin.hello]\ngreeting = "#"')
    found = config()
    again = write(home, printed(found), "again.toml")
    (home / ".config" / "lnpd" / "config.toml").unlink()
    second = config("--config", str(again))
    assert {(key, str(each.value)) for key, each in said(found).items()} == {
        (key, str(each.value)) for key, each in said(second).items()
    }
    assert f"{home}/.config/lnpd/config.toml, line 1" in printed(found)


LINES = "alias = 1\n\n[regtest]\n'alias'= 2\n[regtest . grants]\na='x'\n[plugin.hello]\n  b = 1\n"


@pytest.mark.parametrize(
    ("section", "key", "line"),
    [("", "alias", 1), ("regtest", "alias", 4), ("regtest", "grants", 5), ("regtest.grants", "a", 6),
     ("", "plugin", 7), ("plugin.hello", "b", 8), ("", "nothing", 0)],
)  # fmt: skip
def test_a_key_is_found_on_its_line(section: str, key: str, line: int) -> None:
    assert line_of(LINES, section, key) == line


# --- where things are

Prepared = Callable[[Path, pytest.MonkeyPatch], object]

PLACES: dict[str, tuple[Prepared, str, str]] = {
    "new": (lambda h, m: None, ".local/share/lnpd/regtest", ""),
    "older data": (lambda h, m: (h / ".lnpd/regtest/chain").mkdir(parents=True), ".lnpd/regtest", ""),
    "an older folder with nothing in it": (lambda h, m: (h / ".lnpd/regtest").mkdir(parents=True),
                                           ".local/share/lnpd/regtest", ""),
    "another network's older data": (lambda h, m: (h / ".lnpd/signet/chain").mkdir(parents=True),
                                     ".local/share/lnpd/regtest", ""),
    "XDG": (lambda h, m: (m.setenv("XDG_DATA_HOME", f"{h}/d"), m.setenv("XDG_CONFIG_HOME", f"{h}/c")),
            "d/lnpd/regtest", ""),
    "XDG that is no whole path": (lambda h, m: m.setenv("XDG_DATA_HOME", "d"), ".local/share/lnpd/regtest", ""),
    "macOS": (lambda h, m: m.setattr("sys.platform", "darwin"), "Library/Application Support/lnpd/regtest", ""),
    "a file": (lambda h, m: write(h, ""), ".local/share/lnpd/regtest", ".config/lnpd/config.toml"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_where_data_and_file_are(home: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    prepare, directory, file = PLACES[case]
    prepare(home, monkeypatch)
    assert places.default_directory("regtest") == home / directory
    assert places.default_file() == (home / file if file else None)


def test_of_two_nodes_one_is_to_be_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert places.NODE_FILES == (SEED_NAME, DATABASE_NAME)
    older, newer = places.directories("regtest")
    for folder, name in ((newer, SEED_NAME), (older / "plugins", "x")):
        folder.mkdir(parents=True)
        (folder / name).touch()
    assert config().directory == newer, "of an older place that holds no node nobody hears"
    (older / DATABASE_NAME).touch()
    with pytest.raises(ConfigRefused, match=f"two nodes of regtest, in {older} and in {newer}: .* --directory"):
        config()
    assert config("--directory", str(newer)).directory == newer and config("--network", "signet").network == "signet"
    assert lnp.main(["info"]) == USAGE and "There are two nodes of regtest" in capsys.readouterr().err
    assert lnp.main(["doctor"]) != 0 and "There are two nodes of regtest" in capsys.readouterr().out
    (newer / SEED_NAME).unlink()
    assert config().directory == older


def test_of_two_files_one_is_to_be_named(home: Path) -> None:
    path = write(home, "alias = 'x'")
    (home / ".lnpd").mkdir()
    (home / ".lnpd" / "config.toml").touch()
    with pytest.raises(ConfigRefused, match="There are two configuration files"):
        config()
    assert config("--config", str(path)).alias == "x"
    assert config("--config", "none").alias == "lnpd"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("network = 'signet'", []),
        ("network = 'signet'", ["--network", "regtest"]),
        ("directory = '/data/any'\n[signet]\ndirectory = 's'", []),
        ("directory = '/data/any'\n[signet]\ndirectory = 's'", ["--network", "signet"]),
    ],
)
def test_who_asks_a_node_finds_it_where_it_is(home: Path, text: str, words: list[str]) -> None:
    write(home, text)
    assert directory_of(words[1] if words else None, None) == config(*words).directory


def test_a_program_takes_what_it_has_of_the_file(home: Path) -> None:
    write(home, "alias = 'x'\nplain_seed = true\nchain_process = true")
    found = options.config_of(options.parser("lnpd init", "").parse_args([]))
    assert found.plain_seed and not found.chain_process and found.alias == "lnpd"
    assert options.config_of(options.parser("lnpd regtest", "").parse_args([])).given == ()
    assert "alias" in BY_KEY
