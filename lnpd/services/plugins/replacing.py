"""May a plugin go on with another manifest, while channels live that pin what the present one declares?"""

from lnpd_sdk.manifest import Manifest

from lnpd.errors import ReloadRefused
from lnpd.providers.types import pin
from lnpd.tx.graph import ProviderPin


def check_pins(before: Manifest, after: Manifest, pins: tuple[tuple[str, ProviderPin], ...]) -> None:
    """ReloadRefused names the first provider, of those that live channels pin, that is gone, does not speak the
    channel's format any more, or shapes it differently: its phases and limits are what both peers agreed upon."""
    own = {spec.name for spec in before.providers}
    specs = {spec.name: spec for spec in after.providers}
    for channel, pinned in pins:
        if pinned.name not in own:
            continue
        spec = specs.get(pinned.name)
        if spec is None or pinned.format not in spec.formats:
            raise ReloadRefused(
                f"version {after.version} drops format {pinned.format} of the provider {pinned.name}, which the channel"
                f" {channel[:16]} pins"
            )
        if pin(spec, pinned.format) != pinned:
            raise ReloadRefused(
                f"version {after.version} has other phases or limits at format {pinned.format} of the provider"
                f" {pinned.name}, which the channel {channel[:16]} pins: what shapes differently needs another format"
            )
