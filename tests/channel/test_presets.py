"""Does each preset stand within the table of limits, and between its neighbours?"""

import pytest

from lnpd.channel.presets import DEFAULT, LIMITS, PRESETS, Limit, Limits


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: row.field)
def test_the_more_open_a_preset_is_the_more_it_allows(row: Limit) -> None:
    values = [getattr(PRESETS[name], row.field) for name in ("cautious", "default", "open")]
    assert all(row.least <= value <= row.most for value in values)
    assert values == sorted(values, reverse=row.field.startswith("min_"))


def test_every_limit_has_its_row_and_every_preset_its_name() -> None:
    assert [row.field for row in LIMITS] == [name for name in Limits.__struct_fields__ if name != "preset"]
    assert {name: limits.preset for name, limits in PRESETS.items()} == {name: name for name in PRESETS}
    assert DEFAULT == Limits() == PRESETS["default"]
