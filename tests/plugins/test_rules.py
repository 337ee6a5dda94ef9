"""Is a plugin that breaks a rule of the contract refused, by rule and by name, while the node serves the others?

Each of tests/plugins/bad is a real process, asked through the host by the real pipeline.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.types import ProviderSpec, Update

from lnpd import errors
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.services.plugins import calls as plugin_calls
from lnpd.services.plugins.host import PluginHost
from lnpd.tx.graph import CommitmentSpec, ProviderCall
from lnpd.tx.pipeline import build, view_of
from lnpd.wire.catalogue import CORE
from tests.plugins.two_parties import PLUGINS, commitment, driven, pinned
from tests.tx.judge import judged

BAD = Path(__file__).parent / "bad"
LOCKBOX = PLUGINS / "lockbox.py"
UPDATE = Update(0, "bad", "ext", 0)

# What each bad plugin is refused with: the rule's class, and words of its text.
IN_A_COMMITMENT: dict[str, tuple[type[errors.TxError], str]] = {
    "hidden_branch": (errors.HolderPathUndelayed, r"bad 1 \(box\).*holder_htlc"),
    "other_revocation": (errors.NoRevocationPath, r"bad 1 \(box\)"),
    "wrong_delay": (errors.HolderDelayTooShort, r"bad 1 \(box\).*144 blocks.*201"),
    "wrong_debits": (errors.WrongDebits, r"bad 1 \(box\)"),
    "wrong_weight": (errors.WrongSecondStageWeight, r"bad 1 \(split\)"),
    "too_many": (errors.TooManyOutputs, "bad has 17 outputs"),
    "anothers_output": (errors.WrongProvider, "bad answered with an output of lockbox"),
}
WHEN_PROPOSED: dict[str, tuple[type[errors.ProposalRefused], str]] = {
    "dust": (errors.DustProposed, r"bad 1 \(box\): 400 sat"),
    "other_partys_money": (errors.DebitsOtherParty, "bad ext takes 50000000 msat"),
}
IN_AN_ANSWER: dict[str, str] = {
    "another_answer": "bad: answered contribute differently than before",
    "no_answer": "bad: no answer to provider within",
    "huge_answer": "bad: contribute failed: BadFrame: .*over the limit of 4194304",
    "huge_frame": "bad: (no answer to provider|.*closed the connection or sent over 4 MiB)",
    "huge_state": "bad: answered fold with a state of 100000 bytes",
}
AT_REGISTRATION: dict[str, str] = {
    "clash": "bad claims the provider htlc, which lnpd owns",
    "clash_on_the_wire": "message 33025: lnpd has it as update_ext, bad claims it as bad_update",
}


def hosted(folder: Path, ask_twice: bool = False) -> PluginHost:
    registry, answers = Registry(CORE), Answers(ask_twice)
    registry.claim_core(tuple(each.spec for each in CORE_PROVIDERS.values()), frozenset())
    for provider in CORE_PROVIDERS.values():
        answers.add_core(provider)
    return PluginHost(folder / "run", registry, answers, Hooks(), {})


def run(folder: Path, name: str, scenario: Callable[[PluginHost, ProviderSpec], Any], ask_twice: bool = False) -> None:
    """Starts the bad plugin and lockbox, runs the scenario, and asks lockbox meanwhile and afterwards."""

    async def main() -> None:
        host = hosted(folder, ask_twice)
        await host.start((BAD / f"{name}.py", LOCKBOX))
        try:
            bad, good = host.plugins
            assert [bad.status, good.status] == ["ready", "ready"], (bad.why, good.why)
            assert bad.manifest is not None
            assert good.pid not in (None, bad.pid)
            asked = asyncio.create_task(scenario(host, bad.manifest.providers[0]))
            assert await lockbox_answers(host, 1) == ()
            await asked
            assert await lockbox_answers(host, 2) == ()
            assert good.status == "ready"
            assert good.faults == 0
        finally:
            await host.stop()

    asyncio.run(main())


async def lockbox_answers(host: PluginHost, number: int) -> object:
    question = ProviderCall("lockbox", 1, "contribute", (view_of(commitment(pinned(spec_of(host)), b"")), b""))
    return await host.answers.answer(question)


def spec_of(host: PluginHost) -> ProviderSpec:
    found = host.registry.provider("lockbox")
    assert found is not None
    return found[1]


def spec(provider: ProviderSpec, holder: Any = 1, state: bytes = b"state") -> CommitmentSpec:
    return commitment(pinned(provider), state, holder)


@pytest.mark.parametrize("name", IN_A_COMMITMENT)
def test_refused_in_a_commitment(tmp_path: Path, name: str) -> None:
    rule, words = IN_A_COMMITMENT[name]

    async def scenario(host: PluginHost, provider: ProviderSpec) -> None:
        with pytest.raises(rule, match=words) as refused:
            await driven(build(spec(provider)), host.answers.answer)
        assert type(refused.value) is rule

    run(tmp_path, name, scenario)


@pytest.mark.parametrize("name", WHEN_PROPOSED)
def test_refused_when_proposed(tmp_path: Path, name: str) -> None:
    rule, words = WHEN_PROPOSED[name]

    async def scenario(host: PluginHost, provider: ProviderSpec) -> None:
        before, after = spec(provider, state=b""), spec(provider)
        with pytest.raises(rule, match=words) as refused:
            await driven(judged(before, after, UPDATE, (10_000, 10_000)), host.answers.answer)
        assert type(refused.value) is rule

    run(tmp_path, name, scenario)


@pytest.mark.parametrize("name", IN_AN_ANSWER)
def test_an_answer_that_cannot_be_used_ends_the_process(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_calls, "DEADLINE_SECONDS", 1.0)

    async def scenario(host: PluginHost, provider: ProviderSpec) -> None:
        bad = host.plugins[0]
        first = bad.pid
        question = ProviderCall("bad", 1, "fold", (view_of(spec(provider)), b"", UPDATE))
        asked = (
            host.answers.answer(question)
            if name == "huge_state"
            else driven(build(spec(provider)), host.answers.answer)
        )
        with pytest.raises(errors.ProviderFault, match=IN_AN_ANSWER[name]) as refused:
            await asked
        assert refused.value.plugin == "bad"
        async with asyncio.timeout(20):
            while bad.status != "ready" or bad.pid in (None, first):
                await asyncio.sleep(0.005)
        assert bad.faults == 1
        assert bad.starts == 2, "it is started again"

    run(tmp_path, name, scenario, ask_twice=name == "another_answer")


@pytest.mark.parametrize("name", AT_REGISTRATION)
def test_refused_at_registration(tmp_path: Path, name: str) -> None:
    async def main() -> None:
        host = hosted(tmp_path)
        await host.start((BAD / f"{name}.py", LOCKBOX))
        bad, good = host.plugins
        assert (bad.status, good.status) == ("refused", "ready")
        assert AT_REGISTRATION[name] in bad.why
        assert "bad" not in host.registry.owners
        await host.stop()

    asyncio.run(main())


def test_every_bad_plugin_is_run() -> None:
    known = {*IN_A_COMMITMENT, *WHEN_PROPOSED, *IN_AN_ANSWER, *AT_REGISTRATION}
    assert {path.stem for path in BAD.glob("*.py")} == known
