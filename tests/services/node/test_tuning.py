"""Does the configuration in effect take changes one after the other, whoever makes them at the same time?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.config import Config
from lnpd.config.given import Given
from lnpd.errors import SettingRefused
from lnpd.services.node.tuning import Tuning
from lnpd.store.store import Store


def test_changes_at_the_same_time_are_all_kept_and_break_no_rule(tmp_path: Path) -> None:
    """Each was made of what there was before the other: one was lost, and two could break a rule together."""

    async def story() -> None:
        store = Store.open(tmp_path, "regtest")
        tuning = Tuning(Config(directory=tmp_path))
        await tuning.load(store)
        await asyncio.gather(tuning.set("fee_base_msat", "7"), tuning.set("alias", "ada"))
        assert (tuning.config.fee_base_msat, tuning.config.alias) == (7, "ada")
        both = await asyncio.gather(
            tuning.set("htlc_minimum_msat", "5000"), tuning.set("htlc_maximum_msat", "4000"), return_exceptions=True
        )
        assert [type(each) for each in both] == [type(None), SettingRefused]
        again = await Tuning(Config(directory=tmp_path)).load(store)
        assert (again.fee_base_msat, again.alias) == (7, "ada")
        assert (again.htlc_minimum_msat, again.htlc_maximum_msat) == (
            5000,
            Config(directory=tmp_path).htlc_maximum_msat,
        )
        with pytest.raises(SettingRefused):
            await tuning.set("network", "bitcoin")
        await store.close()

    asyncio.run(story())


def test_what_was_set_once_does_not_go_unseen_over_what_was_typed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        store = Store.open(tmp_path, "regtest")
        tuning = Tuning(Config(directory=tmp_path))
        await tuning.load(store)
        await tuning.set("max_channel_sat", "16000000")
        await tuning.set("alias", "ada")
        typed = Given("max_channel_sat", "--max-channel-sat", "20000", "argument")
        assert (await Tuning(Config(directory=tmp_path, given=(typed,))).load(store)).limits.max_channel_sat == 16000000
        await store.close()

    asyncio.run(story())
    told = [each.getMessage() for each in caplog.records if "counts over" in each.getMessage()]
    assert told == [
        "max_channel_sat = 16000000, which was set by `lnp config set`, counts over --max-channel-sat (`lnp config"
        " unset max_channel_sat` ends that)"
    ]
