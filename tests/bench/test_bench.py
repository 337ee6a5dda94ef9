"""Does each benchmark run, and does the report say plainly what it found? Counts are tiny; no time is judged."""

import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from contrib.bench import __main__ as bench
from contrib.bench import assets, ceilings, interop, start, steps, transport
from contrib.bench.measure import Series, Size, contest
from contrib.bench.places import ROOT, NotInstalled
from contrib.bench.primitives import MESSAGE, ONION, PEEL, SIGN, SYNC, VERIFY
from contrib.bench.report import Section, at_least, at_most, printed, summary
from contrib.ldk.driver import folder
from contrib.regtest import bitcoind
from contrib.regtest.electrum import electrumx
from tests.interop.bitcoind import needed


def rgb_lib() -> str:
    """The engine of plugins/rgb.py."""
    if find_spec("rgb_lib") is None:
        raise bitcoind.Missing("rgb-lib is not installed: pip install 'lnpd[rgb]'")
    return "rgb_lib"


TINY = Size(rounds=1, share=0.001, together=3)
NEEDED = {
    "interop": {"LDK": folder, "bitcoind": bitcoind.program},
    "assets": {"rgb-lib": rgb_lib, "an Electrum server": electrumx, "bitcoind": bitcoind.program},
}


def absent(package: str) -> Path:
    """No network in tests."""
    raise NotInstalled(f"{package} cannot be installed: this is a test")


@pytest.mark.parametrize("name", bench.BENCHMARKS)
def test_each_runs_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for what, get in NEEDED.get(name, {}).items():
        needed(what, get)
    monkeypatch.setattr(transport, "python_with", absent)
    monkeypatch.setattr(start, "WAYS", {"lnpd": ()})
    monkeypatch.setattr(start, "IDLE_SECONDS", 0.0)
    section = importlib.import_module(f"contrib.bench.{name}").run(TINY)
    assert section.title and section.figures
    assert all(min(figure.series.values) >= 0 for figure in section.figures)
    assert section.title in printed(section)
    assert bool(section.not_run) == (name == "transport")
    told = {figure.name: figure.series.median for figure in section.figures}
    assert name != "assets" or told[f"one payment, {assets.LOADED}: questions of all kinds"] == 0, "nobody asks it"


def test_without_pyln_proto_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "python_with", absent)
    section = transport.run(TINY)
    assert "NOT RUN: the comparison with pyln-proto: pyln-proto cannot be installed" in printed(section)
    assert "NOT RUN" in summary([section])
    assert not any("pyln" in figure.name for figure in section.figures)


@pytest.mark.parametrize("benchmark", (interop, assets))
def test_without_bitcoind_the_report_says_so(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitcoind, "_asked", lambda script: ("", "get-bitcoind: no network"))
    assert "NOT RUN: get-bitcoind: no network" in printed(benchmark.run(TINY))


def test_a_missed_goal_is_said_with_what_costs_the_time() -> None:
    section = Section("thing: of a test")
    section.ratio("good", Series((2.0, 3.0, 4.0)), at_least(3), lambda: ["never asked"])
    section.ratio("bad", Series((1.0, 1.7, 9.0)), at_most(1.6), lambda: ["99%  the sorting"])
    section.ratio("other", Series((1.0,)))
    text = printed(section)
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["good"].endswith("met")
    assert lines["bad"].endswith("MISSED") and "1.70x" in lines["bad"] and "1 to 9" in lines["bad"]
    assert "MISSED" not in lines["other"]
    assert "99%  the sorting" in text and "never asked" not in text
    assert summary([section]).splitlines() == ["1 of 2 goals met", "  MISSED  thing: bad: 1.70x, goal <= 1.6"]


def test_ratios_are_taken_within_a_round() -> None:
    found = contest({"ours": iter((99.0, 2.0, 4.0)).__next__, "theirs": iter((99.0, 1.0, 4.0)).__next__}, 2)
    assert found["ours"].values == (2.0, 4.0), "the first round warms up"
    assert found["ours"].over(found["theirs"]).values == (2.0, 1.0)


def test_the_spread_is_the_middle_half_of_many_rounds() -> None:
    assert Series((5.0, 1.0, 3.0)).spread == (1.0, 5.0)
    assert Series((100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0)).spread == (1.0, 5.0)


def test_an_unsteady_machine_is_said() -> None:
    section = Section("thing")
    section.doubt("steady", Series((1e-4, 1.4e-4)))
    assert not section.notes
    section.doubt("fdatasync", Series((1e-4, 3e-3)))
    assert "UNSTEADY: fdatasync took 100 to 3,000 us" in printed(section)


def test_a_table_of_steps_says_what_each_adds() -> None:
    async def never() -> float:
        raise AssertionError("nothing is measured")

    def metered(*sums: float) -> steps.Metered:
        step = steps.Metered(never, 1, ())
        step.rounds = [steps.Round(each, steps.Spent(0.25 * each, 0.0, 0.75 * each, 0.0)) for each in sums]
        return step

    echo = metered(1e-6, 3e-5, 2e-5)  # the first round warms up, the best of the others counts
    _, first, second = steps.table([("an echo", echo), ("a loop", metered(9e-5, 9e-5))], echo)
    assert first.split() == ["an", "echo", "5.0", "0.0", "15.0", "0.0", "20.0", "20.0", "1.0x", "20.0"]
    assert second.split()[-4:] == ["90.0", "70.0", "4.5x", "90.0"]
    (line,) = steps.table([("elsewhere", metered(0.0))], echo)
    assert "is not shown" in line


def test_a_process_that_came_is_known_with_its_time() -> None:
    new = steps.Newcomers()
    busy = "sum(range(10**6)); print(flush=True); input()"
    with subprocess.Popen((sys.executable, "-c", busy), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        found = new()
        assert found in ((process.pid,), ())  # a system that is not Linux does not tell
        assert not found or steps.spent(found).plugin > 0
        assert new() == ()
        process.stdin.close()


def test_the_ceiling_is_of_what_a_payment_needs() -> None:
    assert ceilings.counts(1) == {SIGN: 6, VERIFY: 6, MESSAGE: 10, ONION: 1, PEEL: 1, SYNC: 7}
    many = ceilings.counts(100)
    assert (many[SIGN], many[MESSAGE], many[SYNC], many[ONION]) == pytest.approx((2.04, 2.08, 0.07, 1))
    found = {name: Series((1.0, 2.0)) for name in ceilings.counts(1)}
    assert ceilings.seconds(found, ceilings.counts(1)).values == (31.0, 62.0)


def test_one_that_breaks_is_reported_and_the_others_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(_size: Size) -> Section:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(importlib.import_module("contrib.bench.primitives"), "run", broken)
    monkeypatch.setattr(bench, "QUICK", TINY)
    output = tmp_path / "bench.txt"
    monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--only", "onion,primitives", "--output", str(output)])
    assert bench.main() == 1
    text = output.read_text()
    assert "NOT RUN: it broke: RuntimeError: no such luck" in text
    assert "peel, 20 hops" in text


def test_an_unknown_benchmark_is_refused_by_name() -> None:
    command = (sys.executable, "-m", "contrib.bench", "--only", "onion,speed")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no benchmark speed; there are transport, hooks" in done.stderr
