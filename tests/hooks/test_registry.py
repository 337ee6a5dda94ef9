"""Is a manifest refused as a whole, by name, when it is wrong or claims what another owns?"""

from typing import Any

import msgspec
import pytest
from lnpd_sdk.manifest import (
    ChannelTypeSpec,
    FeatureSpec,
    Filter,
    FundingSpec,
    HookSubscription,
    MainSpec,
    Manifest,
    OptionSpec,
    Parameter,
    RpcMethod,
)
from lnpd_sdk.moves import Moves
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import Phase, ProviderSpec

from lnpd.errors import BadRow, CatalogueClash, ManifestRefused
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry, asked_by
from lnpd.wire.catalogue import BOLT

CHUNK = "message,44001,storm_chunk\ndata,32*byte,body"


async def nobody(_hook: str, _params: dict[str, object]) -> object:
    raise AssertionError("a manifest is data: nothing is called to check it")


def provider(name: str = "storm", **changes: Any) -> ProviderSpec:
    return msgspec.structs.replace(ProviderSpec(name, (1,), (Phase("contribute"),)), **changes)


def manifest(**changes: Any) -> Manifest:
    return msgspec.structs.replace(Manifest(name="storm", version="1"), **changes)


def adding(parameter: str, extends: str = "open", name: str = "storm-do") -> RpcMethod:
    """A method that adds a parameter to a command, and takes one that this has."""
    return RpcMethod(name, "", (Parameter(parameter, "text", ""), Parameter("peer", "text", "")), extends=extends)


def registry() -> Registry:
    made = Registry(BOLT)
    made.claim_core((provider("anchors"),), frozenset({"pay"}), {"open": frozenset({"peer", "amount_sat"})})
    other = manifest(
        name="first",
        providers=(provider("taken"),),
        rpc=(RpcMethod("first-list", ""), adding("boxes", name="first-open")),
        channel_types=(ChannelTypeSpec("first/type", "static_remotekey", ()),),
    )
    made.register(other, nobody)
    return made


EARLY = FundingSpec(Miniscript("or_i(multi(2,opener_funding,acceptor_funding),pk(third_key))"), ("third_key",))
UNPUNISHED = MainSpec(
    Miniscript("and_v(v:pk(delayed),older(to_self_delay))"), Miniscript("and_v(v:pk(counterparty_payment),older(1))")
)
BAD: dict[str, tuple[Manifest, str]] = {
    "name": (manifest(name="Storm!"), "cannot be a plugin's name"),
    "name of the core": (manifest(name="lnpd"), "cannot be a plugin's name"),
    "name taken": (manifest(name="first"), "named first is registered"),
    "contract": (manifest(contract=99), "version 99 of the contract"),
    "provider of the core": (manifest(providers=(provider("anchors"),)), "anchors, which lnpd owns"),
    "provider taken": (manifest(providers=(provider("taken"),)), "storm claims the provider taken, which first owns"),
    "rpc of the core": (manifest(rpc=(RpcMethod("pay", ""),)), "method pay, which lnpd owns"),
    "rpc taken": (manifest(rpc=(RpcMethod("first-list", ""),)), "method first-list, which first owns"),
    "type taken": (
        manifest(channel_types=(ChannelTypeSpec("first/type", "static_remotekey", ()),)),
        "first/type, which first owns",
    ),
    "twice": (manifest(rpc=(RpcMethod("x", ""), RpcMethod("x", ""))), "twice"),
    "many": (manifest(rpc=tuple(RpcMethod(f"x{n}", "") for n in range(101))), "more than 100"),
    "capability": (manifest(capabilities=("everything",)), "'everything', which is not one of the capabilities"),
    "updates of no amount": (manifest(capabilities=("updates",)), "which is not the form updates:MAX_SAT"),
    "hook": (manifest(hooks=(HookSubscription("nope"),)), "'nope', which is not a hook"),
    "filter": (
        manifest(hooks=(HookSubscription("block_connected", (Filter("colour", 1),)),)),
        "block_connected has no field 'colour'; it has height, block_hash",
    ),
    "a hook of nearly that name": (manifest(hooks=(HookSubscription("blok_connected"),)), "mean 'block_connected'"),
    "a field that the hook has not": (
        manifest(hooks=(HookSubscription("htlc_accepted", takes=("htlc", "amount")),)),
        "storm: the hook htlc_accepted has no field 'amount'; did you mean 'amount_msat'?",
    ),
    "many fields": (
        manifest(hooks=(HookSubscription("block_connected", takes=("height",) * 21),)),
        "over 20 filters or names",
    ),
    "a field that no view has": (
        manifest(providers=(provider(phases=(Phase("fold", ("height",)),)),)),
        "the provider storm depends on 'height', not in a view",
    ),
    "a core type's name": (
        manifest(channel_types=(ChannelTypeSpec("static_remotekey", "static_remotekey", ()),)),
        "'static_remotekey' cannot be a channel type's name",
    ),
    "a funding that a third key takes too early": (
        manifest(channel_types=(ChannelTypeSpec("storm/x", "static_remotekey", (), EARLY),)),
        "the funding of the channel type storm/x: The funding could be taken",
    ),
    "main outputs that cannot be punished": (
        manifest(channel_types=(ChannelTypeSpec("storm/x", "static_remotekey", (), None, UNPUNISHED),)),
        "the main outputs of the channel type storm/x: to_local: no undelayed path needs",
    ),
    "a type that pins twice": (
        manifest(channel_types=(ChannelTypeSpec("storm/x", "static_remotekey", (("a", 1), ("a", 2))),)),
        "pins over 8 providers, or one twice",
    ),
    "a type that takes what the plugin has not": (
        manifest(
            features=(FeatureSpec("storm", 900, "9"),),
            channel_types=(ChannelTypeSpec("storm/x", "static_remotekey", (), features=("storm",)),),
        ),
        "the channel type storm/x takes the feature 'storm', which the plugin does not have in `init`",
    ),
    "a beginning of a stranger's": (
        manifest(channel_types=(ChannelTypeSpec("storm/x", "static_remotekey", (("taken", 1),), begins=("taken",)),)),
        "storm/x says that 'taken' begins with a state, and pins no provider of its own",
    ),
    "a beginning that is not pinned": (
        manifest(
            providers=(provider(),),
            channel_types=(ChannelTypeSpec("storm/x", "static_remotekey", (), begins=("storm",)),),
        ),
        "storm/x says that 'storm' begins with a state, and pins no provider",
    ),
    "a method of three words": (
        manifest(rpc=(RpcMethod("storm two words", ""),)),
        "'storm two words' cannot be the name",
    ),
    "a method of two spaces": (manifest(rpc=(RpcMethod("storm  words", ""),)), "'storm  words' cannot be the name"),
    "another's group": (manifest(rpc=(RpcMethod("two words", ""),)), "'two words' has to begin with storm"),
    "a group of the core's": (
        manifest(name="pay", rpc=(RpcMethod("pay twice", ""),)),
        "the group of commands pay, which lnpd owns",
    ),
    "an extension of nothing": (
        manifest(rpc=(adding("x", extends="opne"),)),
        "storm: storm-do extends 'opne'.* 'open'",
    ),
    "an extension that adds nothing": (manifest(rpc=(adding("amount_sat"),)), "storm-do adds no parameter to open"),
    "an extension that is every command's": (manifest(rpc=(adding("yes"),)), "adds yes to open, which every command"),
    "an extension taken": (manifest(rpc=(adding("boxes"),)), "claims the parameter boxes of open, which first owns"),
    "an extension twice": (
        manifest(rpc=(adding("x"), adding("x", name="storm-again"))),
        "storm adds the parameter x of open twice",
    ),
    "a secret that is a number": (
        manifest(options=(OptionSpec("x", "integer", 1, secret=True),)),
        "the option x is a secret, and then a text",
    ),
    "a method that moves what it does not name": (
        manifest(rpc=(RpcMethod("x", "", moves=Moves("amount_sat")),)),
        "storm: x has no integer 'amount_sat' that counts",
    ),
    "a method like an option": (manifest(rpc=(RpcMethod("--force", ""),)), "'--force' cannot be the name"),
    "a parameter twice": (
        manifest(rpc=(RpcMethod("x", "", (Parameter("a", "text", ""), Parameter("a", "text", ""))),)),
        "the parameters of x are over 20, or one is named twice",
    ),
    "many parameters": (
        manifest(rpc=(RpcMethod("x", "", tuple(Parameter(f"a{n}", "text", "") for n in range(21))),)),
        "the parameters of x are over 20",
    ),
    "help of two lines": (manifest(rpc=(RpcMethod("x", "one\ntwo"),)), "not one line"),
    "help that clears the screen": (manifest(help="\x1b[2J"), "not one line"),
    "long help": (manifest(help="x" * 1001), "over 1000 characters"),
    "many messages": (manifest(messages="x" * 65_537), "more than 65536 characters"),
    "observes many": (manifest(providers=(provider(observes=tuple(map(str, range(101)))),)), "observes more than 100"),
    "many formats": (manifest(providers=(provider(formats=tuple(range(101))),)), "needs commitment formats"),
    "no formats": (manifest(providers=(provider(formats=()),)), "needs commitment formats"),
    "format": (manifest(providers=(provider(formats=(65536,)),)), "needs commitment formats"),
    "phase twice": (manifest(providers=(provider(phases=(Phase("fold"), Phase("fold"))),)), "a phase twice"),
    "outputs": (manifest(providers=(provider(max_outputs=65),)), "64 outputs"),
    "weight": (manifest(providers=(provider(max_weight=100_001),)), "64 outputs"),
    "seal": (manifest(providers=(provider(seal_length=81),)), "80 bytes"),
    "seals of no length": (manifest(providers=(provider(phases=(Phase("seal"),), seals=("close",)),)), "a seal_length"),
    "seals what nobody's signature covers": (
        manifest(
            providers=(provider(phases=(Phase("seal"),), seal_length=8, seals=("claim", "second_stage")),),
            channel_types=(ChannelTypeSpec("storm/x", "anchors_zero_fee_htlc_tx", (("storm", 1),)),),
        ),
        "no channel of the type storm/x: storm seals every second stage, .* based on static_remotekey",
    ),
    "two that seal one place": (
        manifest(
            providers=tuple(
                provider(name=name, phases=(Phase("seal"),), seal_length=8, seals=("close",)) for name in ("storm", "y")
            ),
            channel_types=(ChannelTypeSpec("storm/x", "static_remotekey", (("storm", 1), ("y", 1))),),
        ),
        "no channel of the type storm/x: storm and y both seal every close",
    ),
    "holds without sealing claims": (
        manifest(providers=(provider(phases=(Phase("seal"),), seal_length=8, seals=("close",), holds=True),)),
        "seals close and claim",
    ),
    "seals without the phase": (manifest(providers=(provider(seal_length=8, seals=("close",)),)), "the phase seal"),
    "seals twice": (
        manifest(providers=(provider(phases=(Phase("seal"),), seal_length=8, seals=("close", "close")),)),
        "each place once",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_named_and_nothing_is_registered(what: str) -> None:
    made = registry()
    bad, words = BAD[what]
    with pytest.raises(ManifestRefused, match=words.replace("(", r"\(")):
        made.register(bad, nobody)
    assert list(made.owners) == ["first"]
    assert made.provider("storm") is None


def test_what_an_owner_added_leaves_with_it() -> None:
    made = registry()
    mine = manifest(providers=(provider(),), rpc=(RpcMethod("storm-put", "help"),), capabilities=("updates:5",))
    made.register(mine, nobody, ("updates:5",))
    assert made.provider("storm") == ("storm", provider())
    assert made.rpc_method("storm-put") == ("storm", RpcMethod("storm-put", "help"))
    assert made.granted("storm", "updates") == "5"
    assert made.granted("storm", "pay") is None
    made.unregister("storm")
    assert made.provider("storm") is None
    assert made.rpc_method("storm-put") == ("storm", mine.rpc[0])  # it may come back
    assert made.granted("storm", "updates") is None
    made.register(mine, nobody)
    assert made.provider("storm") is not None


def test_a_clash_on_the_wire_names_both() -> None:
    made = registry()
    made.register(manifest(messages=CHUNK), nobody)
    assert made.catalogue.message(44001) is not None
    with pytest.raises(CatalogueClash) as caught:
        made.register(manifest(name="second", messages=CHUNK), nobody)
    assert "storm" in str(caught.value)
    assert "second" in str(caught.value)
    assert "second" not in made.owners


def test_only_granted_messages_are_spoken_but_all_are_claimed() -> None:
    made = registry()
    before = made.spoken
    made.register(manifest(messages=CHUNK, capabilities=("messages",)), nobody)
    assert made.spoken is before and made.catalogue.message(44001) is not None
    made.unregister("storm")
    made.register(manifest(messages=CHUNK, capabilities=("messages",)), nobody, ("messages",))
    assert made.spoken.message(44001) is not None
    made.unregister("storm")
    assert made.spoken.message(44001) is None


def test_what_an_owner_claimed_is_nobody_elses_while_it_is_away() -> None:
    """It may come back, and its channels wait for it."""
    made = registry()
    made.register(manifest(providers=(provider(),), rpc=(RpcMethod("storm-put", ""),), messages=CHUNK), nobody)
    made.unregister("storm")
    for second, words in (
        (manifest(name="second", providers=(provider(),)), "the provider storm, which storm owns"),
        (manifest(name="second", rpc=(RpcMethod("storm-put", ""),)), "method storm-put, which storm owns"),
    ):
        with pytest.raises(ManifestRefused, match=words):
            made.register(second, nobody)
    with pytest.raises(CatalogueClash):
        made.register(manifest(name="second", messages=CHUNK), nobody)
    made.register(manifest(), nobody)  # in its next version it claims less
    made.register(manifest(name="second", providers=(provider(),), messages=CHUNK), nobody)


def test_what_was_never_registered_claims_nothing() -> None:
    made = registry()
    made.register(manifest(providers=(provider(),), messages=CHUNK), nobody)
    made.unregister("storm", released=True)
    assert made.catalogue.message(44001) is None
    made.register(manifest(name="second", providers=(provider(),), messages=CHUNK), nobody)


def test_messages_build_upon_no_other_plugins_types() -> None:
    """They would be gone with it."""
    made = registry()
    made.register(manifest(messages="subtype,coin\ndata,u64,amount"), nobody)
    with pytest.raises(BadRow, match="coin"):
        made.register(manifest(name="second", messages="message,44003,pay\ndata,coin,what"), nobody)


def test_a_proxy_is_called_only_where_its_filter_holds() -> None:
    import asyncio

    asked: list[tuple[str, dict[str, object]]] = []

    async def call(hook: str, params: dict[str, object], _seconds: float) -> object:
        asked.append((hook, params))
        return "no"

    hooks, made = Hooks(), registry()
    subscription = HookSubscription("open_channel_received", (Filter("funding_sat", 5),))
    owned = made.register(manifest(hooks=(subscription,)), call, ("hook:open_channel_received",))
    hooks.join(owned.proxy, "storm")
    params = {"node_id": "02", "push_msat": 0, "channel_type": ""}

    async def main() -> tuple[object, object]:
        passed = await hooks.chain("open_channel_received", funding_sat=6, **params)
        return passed, await hooks.chain("open_channel_received", funding_sat=5, **params)

    assert asyncio.run(main()) == (None, "no")
    assert asked == [("open_channel_received", {"funding_sat": 5, **params})]


def test_a_circle_of_wishes_is_refused_with_its_names() -> None:
    made = registry()
    made.register(manifest(name="rain", hooks=(HookSubscription("peer_connected", before=("storm",)),)), nobody)
    made.register(manifest(name="hail", hooks=(HookSubscription("peer_connected", before=("storm",)),)), nobody)
    made.unregister("hail")  # it comes back
    closing = manifest(hooks=(HookSubscription("peer_connected", before=("hail",)),))
    words = "storm closes a circle at the hook peer_connected: storm before hail, hail before storm"
    with pytest.raises(ManifestRefused, match=words):
        made.register(closing, nobody)
    assert "storm" not in made.owners
    made.register(manifest(hooks=(HookSubscription("peer_disconnected", before=("hail",)),)), nobody)


BAD_SUBSCRIPTIONS = {
    "no hook": (HookSubscription("no_such_hook"), "'no_such_hook', which is not a hook"),
    "no field": (HookSubscription("peer_connected", (Filter("nothing", 1),)), "has no field 'nothing'"),
    "no condition": (HookSubscription("peer_connected", (Filter("node_id"),)), "without a condition"),
    "a bound for a text": (HookSubscription("peer_connected", (Filter("node_id", at_least=5),)), "of another kind"),
    "another kind of value": (HookSubscription("peer_connected", (Filter("node_id", 5),)), "of another kind"),
    "a flag is no number": (HookSubscription("peer_connecting", (Filter("incoming", 1),)), "of another kind"),
    "a number has no prefix": (HookSubscription("block_connected", (Filter("height", prefix="1"),)), "is no text"),
    "after itself": (HookSubscription("peer_connected", after=("storm",)), "storm before storm"),
    "too many names": (HookSubscription("peer_connected", after=tuple(map(str, range(21)))), "over 20"),
}


@pytest.mark.parametrize("what", BAD_SUBSCRIPTIONS)
def test_a_subscription_that_cannot_be(what: str) -> None:
    subscription, words = BAD_SUBSCRIPTIONS[what]
    with pytest.raises(ManifestRefused, match=words):
        registry().register(manifest(hooks=(subscription,)), nobody)


def test_a_guarded_hook_is_asked_for_by_taking_part_in_it() -> None:
    taking = manifest(hooks=(HookSubscription("open_channel_received"), HookSubscription("peer_connected")))
    assert asked_by(taking) == (*taking.capabilities, "hook:open_channel_received")


def test_a_subscription_to_messages_names_them() -> None:
    for filters, words in (((), "has a filter on its field name"), ((Filter("node_id", "02"),), "on its field name")):
        with pytest.raises(ManifestRefused, match=words):
            registry().register(manifest(hooks=(HookSubscription("peer_message", filters),)), nobody)
    registry().register(manifest(hooks=(HookSubscription("peer_message", (Filter("name", "ping"),)),)), nobody)
