"""What is wrong with a node's backup, database, doors and plugins, and which versions is it made of?"""

import asyncio
import os
import platform
import sqlite3
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

from lnpd_sdk.envelope import CONTRACT_VERSIONS

from lnpd.hooks.capabilities import explained, grantable, ungranted
from lnpd.hooks.figures import BUCKETS_SECONDS
from lnpd.hooks.registry import asked_by
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.rpc.answers import Finding
from lnpd.services.backup.content import is_backed_up
from lnpd.services.doctor.check import Check, Line, danger, hint, warning, well
from lnpd.services.doctor.patient import Patient
from lnpd.services.plugins.calls import Plugin
from lnpd.store.database import DATABASE_NAME, look

SHOW_BACKUP: Final = "lnp backup"
ELSEWHERE: Final = "/media/usb/channels.backup"
RESTART: Final = "lnp stop && LNPD"
STOP: Final = "lnp stop"
CHECK: Final = "lnp check"
LISTEN: Final = "lnp listen ADDRESS"
LIST_PLUGINS: Final = "lnp plugin list"
START_PLUGIN: Final = "lnp plugin start PLUGIN"
RELOAD_PLUGIN: Final = "lnp plugin reload PLUGIN"
GRANTS: Final = "lnp plugin grants PLUGIN"


def backup(patient: Patient) -> Iterator[Finding]:
    """The backup of the channels: without it the words bring back the wallet, and nobody asks the peers."""
    keeper = patient.services.backup
    for each in keeper.written:
        if each.error:
            yield danger(f"there is no backup of the channels as they are: {each.error}", SHOW_BACKUP)
        elif not each.path.exists():
            yield danger(
                f"the backup {each.path} is gone; lnpd writes it anew when it starts", RESTART, lnpd=patient.lnpd
            )
    known = {each.key for each in keeper.content.channels} if keeper.content else set()
    newer = [c for c in patient.services.channels.every() if is_backed_up(c) and c.key not in known]
    for channel in newer:
        yield danger(f"the backup does not know the channel {channel.id.hex()[:16]}", RESTART, lnpd=patient.lnpd)
    if known:
        yield from _places(patient)
    if keeper.written and not keeper.written[0].error:
        age = max(0, int(patient.now_unix_seconds) - keeper.written[0].written_unix_seconds)
        yield well(f"the backup knows all {len(known)} channels, and was written {age // 3600} h ago")


def _places(patient: Patient) -> Iterator[Finding]:
    """A backup that is lost together with the directory is none."""
    first, *others = (each.path for each in patient.services.backup.written)
    if not others:
        text = f"the only backup of the channels, {first}, is lost together with the directory"
        yield hint(text, RESTART, lnpd=patient.lnpd_with(backup_file=(ELSEWHERE,)))
    elif all(_device(path) == _device(first) for path in others):
        yield hint(f"the second backup, {others[0]}, is on the same disk as the first", RESTART,
                   lnpd=patient.lnpd_with(backup_file=(ELSEWHERE,)))  # fmt: skip


def _device(path: Path) -> int:
    try:
        return os.stat(path.parent).st_dev
    except OSError:
        return -1


async def database(patient: Patient) -> AsyncIterator[Finding]:
    """The file, and what the start's check found in it."""
    services = patient.services
    path = services.config.directory / DATABASE_NAME
    looked = await asyncio.to_thread(look, path)
    if looked.verdict != "ok":
        yield danger(f"{path} is damaged ({looked.verdict}): stop the node, and copy the directory first", STOP)
    if looked.log_bytes > patient.bounds.log_bytes:
        text = f"its log has grown to {looked.log_bytes >> 20:,} MiB; the next start folds it into the database"
        yield warning(text, RESTART, lnpd=patient.lnpd)
    if services.store.displaced:
        yield warning(f"the database was taken for a copy at the start: {services.store.displaced}", CHECK)
    for problem in services.checks.problems:
        yield warning(problem.line, CHECK)
    yield well(f"{looked.size_bytes >> 10:,} KiB of schema version {looked.schema_version}, and sound")


def ports(patient: Patient) -> Iterator[Finding]:
    """Where peers reach the node."""
    services = patient.services
    there = services.peers.listening()
    ports = {address.port for address in there}
    for wanted in services.config.listen:
        if wanted.port and wanted.port not in ports:
            yield warning(f"nobody listens at {wanted}, as the configuration wants", LISTEN, address=wanted)
    if not there:
        yield hint("the node listens nowhere: only peers that it calls itself reach it", LISTEN, address="0.0.0.0:9735")
    else:
        yield well(f"peers reach the node at {', '.join(map(str, there))}")


def plugins(patient: Patient) -> Iterator[Finding]:
    """Plugins that do not run, that are slow, that lack a grant, or that a channel waits for."""
    host = patient.services.plugins
    yield from _missing(patient)
    for plugin in host.plugins:
        if plugin.status != "ready":
            text = f"the plugin {plugin.name} does not run ({plugin.status})"
            yield warning(f"{text}: {plugin.why}" if plugin.why else text, START_PLUGIN, plugin=_startable(plugin))
            continue
        if lately := plugin.dropped_lately:
            text = f"the plugin {plugin.name} is slower than what it is sent: {lately:,} messages were dropped"
            yield warning(text, RELOAD_PLUGIN, plugin=plugin.name)
        asked = asked_by(plugin.manifest) if plugin.manifest else ()
        granted = host.granted(plugin, plugin.name)
        if missing := ungranted(asked, granted):
            wanted = tuple(map(grantable, missing))
            text = f"the plugin {plugin.name} asks for what it is not granted: {', '.join(wanted)}"
            yield hint(text, RESTART, lnpd=_granting(patient, plugin.name, wanted))
        for note in explained(plugin.name, [each for each in asked if each not in missing], granted):
            yield hint(f"the plugin {plugin.name}: {note}", GRANTS, plugin=plugin.name)
    yield from _slow(patient)


def _granting(patient: Patient, plugin: str, more: tuple[str, ...]) -> Line:
    before = patient.services.config.granted().get(plugin, ())
    words = tuple(f"{plugin}={each}" for each in (*before, *more))
    return patient.lnpd_with(**{f"grants.{plugin}": words})


def _startable(plugin: Plugin) -> str:
    """Its name, if it had one that a command takes; else the path of its file."""
    return plugin.known_as or plugin.path


def _missing(patient: Patient) -> Iterator[Finding]:
    """Providers that live channels pin, and no plugin here has."""
    registry, seen = patient.services.registry, set[str]()
    for channel, pin in patient.services.plugins.pins():
        if pin.name in CORE_PROVIDERS or pin.name in seen or registry.provider(pin.name) is not None:
            continue
        seen.add(pin.name)
        text = f"the channel {channel[:16]} needs the provider {pin.name}, which no plugin here has"
        owner = next((p for p in patient.services.plugins.plugins if pin.name in _providers(p)), None)
        if owner is not None:
            yield danger(text, START_PLUGIN, plugin=_startable(owner))
        else:
            yield danger(text, LIST_PLUGINS)


def _providers(plugin: Plugin) -> tuple[str, ...]:
    return tuple(each.name for each in plugin.manifest.providers) if plugin.manifest else ()


def _slow(patient: Patient) -> Iterator[Finding]:
    first = next(n for n, bound in enumerate(BUCKETS_SECONDS) if bound >= patient.bounds.slow_seconds)
    for (question, plugin), figures in patient.services.plugins.figures.rows.items():
        if late := sum(figures.buckets[first + 1 :]):
            text = f"the plugin {plugin} took more than {BUCKETS_SECONDS[first]:g} s for {late:,} answers to {question}"
            yield hint(text, RELOAD_PLUGIN, plugin=plugin)


def versions(patient: Patient) -> Iterator[Finding]:
    """What runs, for whoever reads a report."""
    contract = " and ".join(map(str, CONTRACT_VERSIONS))
    spoken = [p for p in patient.services.plugins.plugins if p.manifest and p.manifest.contract < CONTRACT_VERSIONS[-1]]
    for plugin in spoken:
        assert plugin.manifest is not None
        text = f"the plugin {plugin.name} speaks version {plugin.manifest.contract} of the contract, of {contract}"
        yield hint(text, RELOAD_PLUGIN, plugin=plugin.name)
    running = f"lnpd {version('lnpd')} (SDK {version('lnpd-sdk')}, contract {contract})"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("msgspec", "peewee", "pyzmq", "embit"))
    yield well(f"{running}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {libraries}")


CHECKS: Final[tuple[Check[Patient], ...]] = (
    Check(
        "backup",
        "the backup of the channels: where it lies, whether it could be written, and whether it knows every channel",
        backup,
        (SHOW_BACKUP, RESTART),
        "the backup knows every channel",
    ),
    Check(
        "database",
        "the database's pages (quick_check), its log's size, whether it is a copy, and what the start's check found",
        database,
        (STOP, RESTART, CHECK),
        "the database is sound",
    ),
    Check("ports", "where the node listens, and where it should", ports, (LISTEN,), "peers reach the node"),
    Check(
        "plugins",
        "plugins that failed, are quarantined, slow, lack a grant, or that a channel waits for",
        plugins,
        (LIST_PLUGINS, START_PLUGIN, RELOAD_PLUGIN, RESTART, GRANTS),
        "every plugin runs, or there is none",
    ),
    Check(
        "versions",
        "lnpd, its SDK, the plugins' contract, Python, SQLite and the libraries",
        versions,
        (RELOAD_PLUGIN,),
        "the versions are told",
    ),
)
