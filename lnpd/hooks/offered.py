"""Which hooks does a plugin offer to the others, and what may such a hook be?

It calls them itself, through the node, which asks the subscribers as it does for its own hooks: filters, order,
deadlines, trace. They come with their owner and leave with it; its subscribers stay.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from lnpd_sdk.manifest import HookOffer, Manifest

from lnpd.errors import HookFieldsWrong, ManifestRefused
from lnpd.hooks.kinds import HookKind

HOOK: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_FIELDS: Final = 20
MAX_TEXT: Final = 1_000
MAX_FIELD_CHARACTERS: Final = 64 * 1024
SHORTEST_SECONDS: Final = 0.01
LONGEST_SECONDS: Final = 10.0
TYPES: Final[dict[str, type]] = {"text": str, "integer": int, "boolean": bool, "bytes": bytes}


def check_offer(owner: str, offer: HookOffer) -> None:
    """Raises ManifestRefused for what cannot be a hook of this plugin's."""
    plugin, _, hook = offer.name.partition("/")
    names = [field.name for field in offer.fields]
    if plugin != owner or not HOOK.fullmatch(hook):
        raise ManifestRefused(f"{owner}: {offer.name[:80]!r} cannot be a hook of its: it is named {owner}/HOOK")
    if len(names) > MAX_FIELDS or len(set(names)) != len(names) or not all(map(FIELD.fullmatch, names)):
        raise ManifestRefused(f"{owner}: the fields of {offer.name} are over {MAX_FIELDS}, or named twice or oddly")
    if not SHORTEST_SECONDS <= offer.deadline_seconds <= LONGEST_SECONDS:
        raise ManifestRefused(
            f"{owner}: the hook {offer.name} has a deadline outside {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} seconds"
        )
    if any(len(text) > MAX_TEXT or not text.isprintable() for text in (offer.help, offer.default)):
        raise ManifestRefused(f"{owner}: a text of {offer.name} is over {MAX_TEXT} characters long or not one line")


def kinds_of(manifests: Iterable[Manifest]) -> dict[str, HookKind]:
    """The hooks that these plugins offer, by name."""
    return {offer.name: _kind(manifest.name, offer) for manifest in manifests for offer in manifest.offers}


def _kind(owner: str, offer: HookOffer) -> HookKind:
    return HookKind(
        name=offer.name,
        kind=offer.kind,
        text=offer.help,
        fields={field.name: TYPES[field.kind] for field in offer.fields},
        answer=Any,
        default=offer.default or "What its plugin says.",
        deadline_seconds=offer.deadline_seconds,
        owner=owner,
    )


def check_fields(kind: HookKind, fields: dict[str, Any]) -> None:  # Any: what a plugin gave
    """Raises HookFieldsWrong unless these are the fields of the hook."""
    if fields.keys() != kind.fields.keys():
        raise HookFieldsWrong(f"The hook {kind.name} has the fields {', '.join(kind.fields) or 'none'}, all of them.")
    for name, value in fields.items():
        if type(value) is not kind.fields[name]:
            raise HookFieldsWrong(f"The field {name} of {kind.name} is a {kind.fields[name].__name__}.")
        if isinstance(value, str | bytes) and len(value) > MAX_FIELD_CHARACTERS:
            raise HookFieldsWrong(f"The field {name} of {kind.name} is over {MAX_FIELD_CHARACTERS} long.")
