"""Does each preset stand within the table of limits, between its neighbours, and in a channel's policy?"""

import pytest
from msgspec.structs import asdict

from lnpd.channel.presets import DEFAULT, LIMITS, PRESETS, Limit, Limits
from lnpd.channel.state import Policy


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: row.field)
def test_the_more_open_a_preset_is_the_more_it_allows(row: Limit) -> None:
    values = [getattr(PRESETS[name], row.field) for name in ("cautious", "default", "open")]
    assert all(row.least <= value <= row.most for value in values)
    assert values == sorted(values, reverse=row.field.startswith("min_"))


def test_every_limit_has_its_row_and_every_preset_its_name() -> None:
    assert [row.field for row in LIMITS] == [name for name in Limits.__struct_fields__ if name != "preset"]
    assert {name: limits.preset for name, limits in PRESETS.items()} == {name: name for name in PRESETS}
    assert DEFAULT == Limits() == PRESETS["default"]


# Where a limit stands in the policy of a channel; the others bind openings as a whole, or are told to the peer.
IN_POLICY = {
    "min_channel_sat": "min_funding_sat",
    "max_channel_sat": "max_funding_sat",
    "max_to_self_delay": "max_to_self_delay",
    "max_reserve_percent": "max_reserve_percent",
    "min_feerate_per_kw": "min_feerate_per_kw",
    "max_feerate_per_kw": "max_feerate_per_kw",
    "max_dust_exposure_msat": "max_dust_exposure_msat",
}


@pytest.mark.parametrize("limits", PRESETS.values(), ids=PRESETS)
def test_a_channel_begins_with_these_limits(limits: Limits) -> None:
    policy = limits.policy()
    for field, policy_field in IN_POLICY.items():
        assert getattr(policy, policy_field) == getattr(limits, field)
    others = {name: value for name, value in asdict(policy).items() if name not in IN_POLICY.values()}
    assert others.items() <= asdict(Policy()).items()


def test_without_a_word_a_channel_is_the_usual_one() -> None:
    assert DEFAULT.policy() == Policy()


@pytest.mark.parametrize("name", PRESETS)
def test_electrum_can_open_channels_whatever_the_preset(name: str) -> None:
    """It proposes 37,500 sat per kw on regtest, channels of 200,000 sat and more."""
    policy = PRESETS[name].policy()
    assert policy.min_feerate_per_kw <= 37_500 <= policy.max_feerate_per_kw
    assert policy.min_funding_sat <= 200_000 <= policy.max_funding_sat
