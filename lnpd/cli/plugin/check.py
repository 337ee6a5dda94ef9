"""Is a plugin fit to be run? `lnp plugin check PATH`: its manifest, and everything that its providers answer.

    two processes of it -> manifest, as a node checks it -> for each channel type and provider: a trial -> the report

No node is needed. The processes are told that they are in test mode, so that a provider's function which looks at a
clock, chance, a file or the network is named; the two have different hash seeds.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame, CallFailed
from lnpd_sdk.hooks import InitialStates
from lnpd_sdk.manifest import Manifest
from lnpd_sdk.types import ProviderSpec

from lnpd.cli.plugin.asking import Asker, GaveUp
from lnpd.cli.plugin.report import Report
from lnpd.cli.plugin.trial import Trial
from lnpd.cli.plugin.world import OPENED
from lnpd.errors import FormatNotSpoken, ManifestRefused, PluginFault
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.services.plugins.alone import alone
from lnpd.services.plugins.calls import Plugin
from lnpd.tx.graph import ChannelType

BASES: Final = {"static_remotekey": STATIC_REMOTEKEY, "anchors_zero_fee_htlc_tx": ANCHORS_ZERO_FEE_HTLC_TX}
HASH_SEEDS: Final = ("1", "2")
SAMPLES_SECONDS: Final = 5.0
MONEY: Final = ("pay", "spend", "updates")
"""Capabilities of plugins that move our money."""


def check(path: Path) -> Report:
    """Everything about a plugin. Raises PluginNotFound."""
    return asyncio.run(_checked(path))


async def _checked(path: Path) -> Report:
    report = Report(path.name)
    async with AsyncExitStack() as stack:
        try:
            first, second = [await stack.enter_async_context(alone(path, {"PYTHONHASHSEED": n})) for n in HASH_SEEDS]
        except ManifestRefused as refused:
            report.wrong("manifest", path.name, refused)
            return report
        assert first.manifest is not None
        report.plugin, report.version = first.manifest.name, first.manifest.version
        report.tried["manifest"] += 1
        if first.manifest != second.manifest:
            report.wrong("manifest", report.plugin, "another process of it declares something else")
            return report
        _doubts(report, first.manifest)
        try:
            await _tried(report, first, second)
        except GaveUp as error:
            report.leave_out(f"the rest was not tried: {error}")
    return report


def _doubts(report: Report, manifest: Manifest) -> None:
    """What a node takes without a word, and what then never happens."""
    own = {each.name for each in manifest.providers}
    if manifest.messages and "messages" not in manifest.capabilities:
        report.leave_out(
            "it declares wire messages, but does not ask for the capability 'messages': none comes or goes"
        )
    asked = [each for each in manifest.capabilities if each.partition(":")[0] in MONEY and not each.endswith(":0")]
    if asked and manifest.rpc and not any(method.moves for method in manifest.rpc):
        report.advise(
            f"it asks for {asked[0]}, and none of its commands says that it moves money (`moves` of @plugin.rpc):"
            " nobody is asked before one is run"
        )
    for declared in manifest.channel_types:
        if foreign := sorted({name for name, _ in declared.providers} - own):
            report.leave_out(f"{declared.name}: it pins {foreign[0]}, which is another plugin's")


async def _tried(report: Report, first: Plugin, second: Plugin) -> None:
    manifest = first.manifest
    assert manifest is not None
    asker, samples = Asker(report, first, second), await _samples(report, first)
    for spec in manifest.providers:
        if (begins := await _beginning(report, first, manifest, spec)) is None:
            continue
        for kind in _kinds(report, manifest, spec):
            await Trial(asker, report, kind, spec, samples.get(spec.name, ()), begins).run()


async def _beginning(report: Report, plugin: Plugin, manifest: Manifest, spec: ProviderSpec) -> bytes | None:
    """The state in which a provider's channels begin; None, which is said, where the plugin has none for a funding that
    is on no chain."""
    kind = next((kind.name for kind in manifest.channel_types if spec.name in kind.begins), None)
    if kind is None:
        return b""
    try:
        answer = msgspec.convert(await plugin.hook("initial_states", OPENED | {"channel_type": kind}), InitialStates)
        return bytes.fromhex(answer.states[spec.name])
    except (PluginFault, msgspec.ValidationError, ValueError, LookupError):
        report.leave_out(f"{spec.name}: no channel of its was tried: `initial_states` names no state in test mode")
        return None


async def _samples(report: Report, plugin: Plugin) -> dict[str, tuple[bytes, ...]]:
    """The plugin's own examples of updates; none if it has none to give, as one in another language may."""
    try:
        data = await plugin.call("samples", None, SAMPLES_SECONDS)
        found: dict[str, tuple[bytes, ...]] = envelope.decode(data, dict[str, tuple[bytes, ...]])
        return found
    except CallFailed as refused:
        if refused.code != "UnknownQuestion":
            report.wrong("answers", "samples", refused.named)
    except (BadFrame, PluginFault) as fault:
        report.wrong("answers", "samples", fault)
    return {}


def _kinds(report: Report, manifest: Manifest, spec: ProviderSpec) -> list[ChannelType]:
    """The channel types that pin a provider, with each base; one for each base if the plugin declares none."""
    own = {each.name: each for each in manifest.providers}
    kinds = []
    for declared in manifest.channel_types:
        pins = dict(declared.providers)
        if spec.name not in pins:
            continue
        if not set(pins) <= set(own):
            continue  # _doubts says so
        try:
            kinds.append(with_extensions(BASES[declared.base], (pin(own[name], n) for name, n in pins.items())))
        except FormatNotSpoken as error:
            report.wrong("manifest", declared.name, error)
    return kinds or [with_extensions(base, (pin(spec, spec.formats[0]),)) for base in BASES.values()]
