"""Does each channel type pin its providers, in order and once?"""

import pytest

from lnpd.errors import FormatNotSpoken
from lnpd.providers.types import (
    ANCHORS_ZERO_FEE_HTLC_TX,
    CHANNEL_TYPES,
    CORE_PROVIDERS,
    STATIC_REMOTEKEY,
    pin,
    with_extensions,
)
from tests.tx.extension import Extension


def test_the_table() -> None:
    assert [each.name for each in STATIC_REMOTEKEY.providers] == ["base", "htlc"]
    assert [each.name for each in ANCHORS_ZERO_FEE_HTLC_TX.providers] == ["base", "htlc", "anchors"]
    assert (STATIC_REMOTEKEY.commitment_weight, STATIC_REMOTEKEY.fixed_cost_sat) == (724, 0)
    assert (ANCHORS_ZERO_FEE_HTLC_TX.commitment_weight, ANCHORS_ZERO_FEE_HTLC_TX.fixed_cost_sat) == (1124, 660)
    assert CHANNEL_TYPES[STATIC_REMOTEKEY.features] is STATIC_REMOTEKEY
    assert set(CORE_PROVIDERS) == {"base", "htlc", "anchors"}


def test_extensions_come_last_and_once() -> None:
    extension = pin(Extension(max_outputs=3, max_weight=7, seal_length=32).spec, 1)
    kind = with_extensions(STATIC_REMOTEKEY, (extension,))
    assert kind.providers[-1] == extension
    assert (extension.max_outputs, extension.max_weight, extension.seal_length) == (3, 7, 32)
    assert extension.phases == ("contribute", "attach", "seal", "descend")
    for twice in ((extension, extension), (pin(CORE_PROVIDERS["htlc"].spec, 1),)):
        with pytest.raises(FormatNotSpoken):
            with_extensions(STATIC_REMOTEKEY, twice)


def test_formats() -> None:
    with pytest.raises(FormatNotSpoken):
        pin(Extension().spec, 2)
