"""Can a plugin offer a hook to others, and only one of its own?"""

import asyncio

import pytest
from lnpd_sdk.manifest import Filter, HookField, HookOffer, HookSubscription, Manifest
from lnpd_sdk.plugin import Plugin

from lnpd.errors import HookFieldsWrong, ManifestRefused
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.offered import check_fields, kinds_of
from lnpd.hooks.registry import Registry
from lnpd.wire.catalogue import CORE

FIELDS = (HookField("room", "text"), HookField("watts", "integer"), HookField("name", "boolean"))


def lamp(offer: HookOffer) -> Manifest:
    return Manifest(name="lamp", version="1", offers=(offer,))


def taking(*filters: Filter, hook: str = "lamp/lit") -> Manifest:
    return Manifest(name="eye", version="1", hooks=(HookSubscription(hook, filters),))


async def yes(_hook: str, _params: dict[str, object], _seconds: float) -> object:
    return "x" * 1_000


OFFER = HookOffer("lamp/lit", "chain", FIELDS, "A lamp is lit.")


def test_the_decorator_declares_it() -> None:
    plugin = Plugin("lamp", "1")

    @plugin.offer("chain")
    def lit(room: str, watts: int, name: bool) -> None:
        """A lamp
        is lit."""

    assert plugin.manifest().offers == (OFFER,)
    with pytest.raises(TypeError, match="must be str"):

        @plugin.offer()
        def bad(room: float) -> None: ...


def test_it_is_asked_with_filters_and_leaves_with_its_owner() -> None:
    registry, hooks = Registry(CORE), Hooks()
    hooks.join(registry.register(lamp(OFFER), yes).proxy, "lamp")
    hooks.join(registry.register(taking(Filter("watts", at_least=60)), yes).proxy, "eye", 1)
    fields = {"room": "hall", "name": True}
    assert asyncio.run(hooks.chain("lamp/lit", None, watts=59, **fields)) is None
    assert asyncio.run(hooks.chain("lamp/lit", None, watts=60, **fields)) == "x" * 1_000, "nothing is cut"
    hooks.leave("lamp")
    registry.unregister("lamp")
    assert "lamp/lit" not in hooks.kinds
    hooks.leave("eye")
    registry.unregister("eye")
    hooks.join(registry.register(taking(), yes).proxy, "eye", 1)  # its subject comes back
    other = HookOffer("lamp/lit", "chain", (HookField("colour", "text"),))
    registry.register(lamp(other), yes)


def test_who_takes_part_already_must_fit_what_is_offered_anew() -> None:
    registry = Registry(CORE)
    registry.register(lamp(OFFER), yes)
    registry.register(taking(Filter("watts", at_least=60)), yes)
    registry.unregister("lamp")
    with pytest.raises(ManifestRefused, match="eye: the hook lamp/lit has no field 'watts'"):
        registry.register(lamp(HookOffer("lamp/lit", "chain", (HookField("colour", "text"),))), yes)


BAD = {
    "another's": (HookOffer("eye/lit", "chain"), "is named lamp/HOOK"),
    "no name": (HookOffer("lamp/", "chain"), "is named lamp/HOOK"),
    "a core hook": (HookOffer("htlc_accepted", "chain"), "is named lamp/HOOK"),
    "a field twice": (HookOffer("lamp/lit", "chain", (FIELDS[0], FIELDS[0])), "named twice"),
    "an odd field": (HookOffer("lamp/lit", "chain", (HookField("Room!", "text"),)), "oddly"),
    "no time": (HookOffer("lamp/lit", "chain", deadline_seconds=0.0), "deadline"),
    "too much time": (HookOffer("lamp/lit", "chain", deadline_seconds=11.0), "deadline"),
    "lines": (HookOffer("lamp/lit", "chain", help="a\nb"), "one line"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_offered(what: str) -> None:
    offer, words = BAD[what]
    with pytest.raises(ManifestRefused, match=words):
        Registry(CORE).register(lamp(offer), yes)


def test_nobody_takes_part_in_a_hook_of_its_own_or_of_nobody() -> None:
    own = Manifest(name="lamp", version="1", offers=(OFFER,), hooks=(HookSubscription("lamp/lit"),))
    with pytest.raises(ManifestRefused, match="which is a hook of its own"):
        Registry(CORE).register(own, yes)
    for name in ("lamp/", "Lamp/lit", "lamp/lit/more", "/lit"):
        with pytest.raises(ManifestRefused, match="not a hook of this node"):
            Registry(CORE).register(taking(hook=name), yes)


def test_who_takes_part_may_come_first_and_is_looked_at_then() -> None:
    registry, hooks = Registry(CORE), Hooks()
    hooks.join(registry.register(taking(Filter("watts", 60)), yes).proxy, "eye")
    hooks.join(registry.register(lamp(OFFER), yes).proxy, "lamp", 1)
    assert asyncio.run(hooks.chain("lamp/lit", None, watts=60, room="hall", name=True))
    registry = Registry(CORE)
    registry.register(taking(Filter("colour", "red")), yes)
    with pytest.raises(ManifestRefused, match="eye: the hook lamp/lit has no field 'colour'"):
        registry.register(lamp(OFFER), yes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"room": "hall", "watts": 5}, "has the fields room, watts, name"),
        ({"room": "hall", "watts": 5, "name": True, "more": 1}, "has the fields"),
        ({"room": "hall", "watts": True, "name": True}, "watts of lamp/lit is a int"),
        ({"room": "x" * 70_000, "watts": 5, "name": True}, "is over"),
    ],
)
def test_fields_that_do_not_fit(fields: dict[str, object], words: str) -> None:
    with pytest.raises(HookFieldsWrong, match=words):
        check_fields(kinds_of((lamp(OFFER),))["lamp/lit"], fields)


def test_a_field_that_an_offered_hook_has_not_is_refused_with_the_nearest() -> None:
    registry = Registry(CORE)
    registry.register(lamp(OFFER), yes)
    wrong = Manifest(name="eye", version="1", hooks=(HookSubscription("lamp/lit", takes=("rooms",)),))
    with pytest.raises(ManifestRefused, match=r"eye: the hook lamp/lit has no field 'rooms'; did you mean 'room'\?"):
        registry.register(wrong, yes)
