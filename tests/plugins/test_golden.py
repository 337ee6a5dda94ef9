"""Does lockbox answer as it did when its golden file was recorded, and is another answer named?

The file is what `record` below wrote: python -m tests.plugins.test_golden writes it anew. Whoever does so breaks every
channel with a box in it: the answers of a commitment format never change.
"""

import asyncio
import json
import tempfile
from pathlib import Path

import pytest

from lnpd.cli import lnp
from lnpd.errors import ParameterRefused
from lnpd.services.plugins.golden import read, replayed, shown, unshown
from lnpd.testing.pair import Pair, paired

LOCKBOX = Path(__file__).resolve().parents[2] / "plugins" / "lockbox.py"
GOLDEN = Path(__file__).with_name("golden") / "lockbox.jsonl"


def scene(pair: Pair, path: Path) -> None:
    """A box of each side's in its life."""
    with pair.record(path, same=("lockbox-list",)):
        pair.open()
        pair.alice.rpc("put", amount_sat=25_000)
        pair.outputs()
        pair.bob.rpc("release", box=0)
        pair.outputs()
        pair.alice.rpc("give", box=0)
        pair.outputs()


def test_lockbox_answers_as_it_was_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    lines = read(GOLDEN)
    asked = {line.name for line in lines if line.same}
    assert asked >= {"lockbox.validate", "lockbox.fold", "lockbox.contribute"}
    assert lnp.main(["plugin", "replay", str(LOCKBOX), str(GOLDEN), "--json"]) == 0
    count = sum(line.same for line in lines)
    assert count > 10
    assert json.loads(capsys.readouterr().out) == {"asked": count, "differences": []}


def test_another_answer_is_named_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = tmp_path / "lockbox.py"
    changed.write_text(LOCKBOX.read_text().replace("counterparty_payment),older(1)", "counterparty_payment),older(2)"))
    assert lnp.main(["plugin", "replay", str(changed), str(GOLDEN)]) == 1
    told = capsys.readouterr().out
    assert "lockbox.contribute: it was " in told and "older(2)" in told
    assert "lockbox.fold" not in told


@pytest.mark.lnpd_plugin(str(LOCKBOX))
def test_what_a_node_asks_is_recorded_and_answered_the_same(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "lockbox.jsonl"
    scene(pair, path)
    lines = read(path)
    assert {line.name for line in lines if not line.same} == {"lockbox-put", "lockbox-give"}
    count, differences = asyncio.run(replayed(LOCKBOX, path))
    assert (count, differences) == (sum(line.same for line in lines), ())
    provider = [line for line in lines if line.method == "provider"]
    assert len({json.dumps(line.params) for line in provider}) == len(provider), "each question once"


def test_what_is_no_golden_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('{"method": "provider", "name": "a.b", "params": {}}\n{"x": 1}\n')
    with pytest.raises(ParameterRefused, match="line 2"):
        read(tmp_path / "x")
    with pytest.raises(ParameterRefused, match="cannot be read"):
        read(tmp_path / "none")
    with pytest.raises(ParameterRefused, match="not hex"):
        unshown([{"$bytes": "xx"}])


def test_every_value_comes_back() -> None:
    value = {"a": [b"\0\xff", 1, -1, None, True, "x", {"b": b""}]}
    assert unshown(shown(value)) == value


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, paired(Path(folder), LOCKBOX) as made:
        scene(made, GOLDEN)
