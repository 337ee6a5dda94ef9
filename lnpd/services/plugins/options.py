"""Which value has each option of a plugin, who gave it, and how does it change?

    default (the manifest's)  <  lnpd --option  <  lnp plugin set (dynamic ones; kept in the store)

A value that does not fit is refused by the option's name before the plugin hears of it.
"""

import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
from lnpd_sdk.manifest import Manifest, OptionKind, OptionSpec, OptionValue
from lnpd_sdk.nearest import nearest

from lnpd.errors import OptionRefused
from lnpd.services.logs.secrets import SECRETS
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write

NAMESPACE: Final = "plugin-options"
MAX_TEXT: Final = 10_000
MAX_INTEGER: Final = 2**63 - 1
OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
WORDS: Final = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
WHAT: Final[dict[OptionKind, str]] = {
    "text": f"a text of at most {MAX_TEXT} characters",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}

Given = tuple[tuple[str, str, str], ...]


class Setting(msgspec.Struct, frozen=True):
    """An option with its value."""

    spec: OptionSpec
    value: OptionValue
    source: Literal["default", "lnpd --option", "lnp plugin set"]


class Options:
    """The options of all plugins. `given` are (plugin, option, value) from the command line, the environment or the
    file; `places` say where, by PLUGIN.OPTION, for refusals, and `files` in which file. Without a store what is set is
    kept as long as the node lives. The log shows no secret that is read here."""

    def __init__(
        self,
        given: Given = (),
        store: Store | None = None,
        places: Mapping[str, str] | None = None,
        files: Mapping[str, Path] | None = None,
    ) -> None:
        self._places, self._files = places or {}, files or {}
        self._given = {(plugin, option): word for plugin, option, word in given}
        self._store = store
        self._set: dict[bytes, bytes] = {}

    async def settings(self, manifest: Manifest) -> tuple[Setting, ...]:
        """Every option of a plugin with its value. OptionRefused names one that cannot be."""
        specs = {spec.name: spec for spec in manifest.options}
        for plugin, option in self._given:
            if plugin == manifest.name and option not in specs:
                said = f"The plugin {plugin} has no option {option}{_known(manifest, option)}"
                raise OptionRefused(self._placed(plugin, option, said))
        stored = await self._stored(manifest.name)
        return tuple(self._setting(manifest.name, spec, stored.get(spec.name)) for spec in manifest.options)

    def require_private(self, manifest: Manifest) -> None:
        """Raises OptionRefused if a secret of a plugin stands in a file that others may read."""
        for spec in manifest.options:
            path = self._files.get(f"{manifest.name}.{spec.name}")
            if spec.secret and path is not None and path.exists() and path.stat().st_mode & OTHERS:
                said = f"{spec.name} of {manifest.name} is a secret, and others may read the file: chmod 600 {path}."
                raise OptionRefused(self._placed(manifest.name, spec.name, said))

    def strangers(self, names: Iterable[str]) -> tuple[str, ...]:
        """The plugins that options are given for and that are none of these."""
        return tuple(sorted({plugin for plugin, _ in self._given} - set(names)))

    def _setting(self, plugin: str, spec: OptionSpec, stored: OptionValue | None) -> Setting:
        if stored is not None and spec.dynamic and _fits(spec.kind, stored):  # else it is from another version
            if spec.secret:
                SECRETS.add(str(stored))
            return Setting(spec, stored, "lnp plugin set")
        word = self._given.get((plugin, spec.name))
        if word is not None:
            try:
                return Setting(spec, _read(plugin, spec, word), "lnpd --option")
            except OptionRefused as refused:
                raise OptionRefused(self._placed(plugin, spec.name, str(refused))) from None
        return Setting(spec, spec.default, "default")

    def _placed(self, plugin: str, option: str, sentence: str) -> str:
        """A refusal, with where the option stands if it does in a file or a variable."""
        place = self._places.get(f"{plugin}.{option}")
        return f"{place}: {sentence}" if place else sentence

    def given(self, manifest: Manifest, option: str) -> OptionValue:
        """The value that a dynamic option has if nothing is set. OptionRefused."""
        return self._setting(manifest.name, _dynamic(manifest, option), None).value

    def read(self, manifest: Manifest, option: str, word: str) -> OptionValue:
        """The value of a dynamic option that a word means. OptionRefused."""
        return _read(manifest.name, _dynamic(manifest, option), word)

    async def keep(self, plugin: str, option: str, value: OptionValue) -> None:
        """Remembers what was set."""
        key, data = _key(plugin, option), msgspec.msgpack.encode(value)
        if self._store is None:
            self._set[key] = data
            return

        def put(write: Write) -> None:
            write.put_value(NAMESPACE, key, data)

        await self._store.write(put)

    async def forget(self, plugin: str, option: str) -> None:
        """Forgets what was set."""
        key = _key(plugin, option)
        self._set.pop(key, None)

        def delete(write: Write) -> None:
            write.delete_value(NAMESPACE, key)

        if self._store is not None:
            await self._store.write(delete)

    async def _stored(self, plugin: str) -> dict[str, OptionValue]:
        prefix = _key(plugin, "")

        def values(read: Read) -> list[tuple[bytes, bytes]]:
            return read.values(NAMESPACE, prefix)

        rows = list(self._set.items()) if self._store is None else await self._store.read(values)
        return {
            key[len(prefix) :].decode(): msgspec.msgpack.decode(data, type=OptionValue)
            for key, data in rows
            if key.startswith(prefix)
        }


def _dynamic(manifest: Manifest, option: str) -> OptionSpec:
    spec = next((spec for spec in manifest.options if spec.name == option), None)
    if spec is None:
        raise OptionRefused(f"The plugin {manifest.name} has no option {option[:64]!r}{_known(manifest, option)}")
    if not spec.dynamic:
        raise OptionRefused(
            f"The option {option} of {manifest.name} is read when it starts: give lnpd"
            f" --option {manifest.name}.{option}=VALUE"
        )
    return spec


def _key(plugin: str, option: str) -> bytes:
    return f"{plugin}.{option}".encode()


def _known(manifest: Manifest, wrong: str) -> str:
    names = [spec.name for spec in manifest.options]
    return f"; it has {', '.join(names) or 'none'}{nearest(wrong, names) or '.'}"


def _fits(kind: OptionKind, value: OptionValue) -> bool:
    expected = {"text": str, "integer": int, "number": float, "boolean": bool}[kind]
    return type(value) is expected


def _read(plugin: str, spec: OptionSpec, word: str) -> OptionValue:
    """Raises OptionRefused."""
    if spec.secret:
        SECRETS.add(word)
    match spec.kind:
        case "text" if len(word) <= MAX_TEXT:
            return word
        case "integer" if re.fullmatch(r"[+-]?[0-9]{1,19}", word) and abs(int(word)) <= MAX_INTEGER:
            return int(word)
        case "number" if NUMBER.fullmatch(word):
            return float(word)
        case "boolean" if word.lower() in WORDS:
            return WORDS[word.lower()]
    given = "" if spec.secret else f", not {word[:60]!r}"
    raise OptionRefused(f"The option {spec.name} of {plugin} is {WHAT[spec.kind]}{given}.")
