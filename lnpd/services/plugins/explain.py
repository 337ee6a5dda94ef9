"""Who takes part in a hook, in which order, why, and what happens without them?"""

from lnpd.errors import NoSuchHook
from lnpd.hooks.dispatch import Hooks, Subscriber
from lnpd.hooks.filters import in_words
from lnpd.rpc.answers import HookPart, HookShown


def explained(hooks: Hooks, name: str) -> HookShown:
    """A hook as it stands. NoSuchHook names those that there are."""
    kind = hooks.kinds.get(name)
    if kind is None:
        raise NoSuchHook(f"There is no hook {name[:80]!r}; there are {', '.join(sorted(hooks.kinds))}.")
    return HookShown(
        hook=name,
        owner=kind.owner,
        kind=kind.kind,
        text=" ".join(kind.text.split()),
        fields=tuple(kind.fields),
        deadline_seconds=kind.deadline_seconds,
        default=kind.default,
        needs_grant=kind.guarded,
        plugins=tuple(_part(hooks, name, each) for each in hooks.subscribers(name)),
    )


def _part(hooks: Hooks, name: str, each: Subscriber) -> HookPart:
    figures = hooks.figures.of(name, each.plugin)
    missing = "" if each.granted else f"; not asked: it needs --grant {each.plugin}=hook:{name}"
    return HookPart(
        plugin=each.plugin,
        asked=each.granted,
        why=each.why + missing,
        filters=tuple(in_words(condition) for condition in each.subscription.filters),
        calls=figures.calls,
        errors=figures.errors,
        skipped=figures.skipped,
        waiting=figures.waiting,
    )
