"""Is each example small, tested, and told about where people look?"""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "plugins" / "examples").glob("*.py"))
MOST_LINES = 60
LARGER = {"presigned.py": 133}  # not one of the small ones: a gate, with a child that is signed ahead


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_is_small_and_tested(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LARGER.get(path.name, MOST_LINES)
    assert text.startswith(f'"""{path.stem}: ')
    texts = [each.read_text() for each in (ROOT / "tests").rglob("test_*.py")]
    names = f"examples/{path.name}", f'"examples" / "{path.name}"'
    assert any(name in each for each in texts for name in names), "no test runs it"
