"""Does the configuration in effect take changes one after the other, whoever makes them at the same time?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.config import Config
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
