"""Is every persistence point in the code in the table, and every row of the table in the code?"""

import ast
from pathlib import Path

from lnpd.store.points import PERSISTENCE_POINTS

SOURCE = Path(__file__).resolve().parents[2] / "lnpd"


def points_in(source: str) -> set[str]:
    """The names in calls `write.point("name")`; what is no literal is shown as it stands, for no table can have it."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {
        str(argument.value) if isinstance(argument, ast.Constant) else f"<{ast.unparse(argument)}>"
        for call in calls
        if ast.unparse(call.func) == "write.point"  # other points are points of a curve
        for argument in call.args[:1]
    }


def test_the_table_and_the_code_name_the_same_points() -> None:
    used = {name for path in SOURCE.rglob("*.py") for name in points_in(path.read_text())}
    print(f"{len(used)} persistence points")
    assert used == set(PERSISTENCE_POINTS)


def test_each_row_is_a_sentence() -> None:
    for name, sentence in PERSISTENCE_POINTS.items():
        assert name == name.lower().replace(" ", "-")
        assert sentence.endswith("."), name


def test_the_search_finds_what_it_should() -> None:
    assert points_in('write.point("a"); write.point(\n"b"); keys.point(3); write.points("d")') == {"a", "b"}
    assert points_in("write.point(name)") == {"<name>"}
