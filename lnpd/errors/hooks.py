"""What can go wrong with a plugin?"""

from lnpd.errors.base import LnpdError
from lnpd.errors.words import one_line


class PluginFault(LnpdError):
    """A plugin failed: it died, was late, raised, or answered with nonsense. `plugin` is its name; `why`, which it may
    have written itself, is shown in one line."""

    def __init__(self, plugin: str, why: str = "") -> None:
        super().__init__(one_line(f"{plugin}: {why}" if why else plugin))
        self.plugin = plugin


class PluginLate(PluginFault):
    """A plugin did not answer by the deadline."""


class PluginUnasked(PluginLate):
    """A plugin could not even be asked by the deadline: it is starting, or being reloaded."""


class PluginBusy(PluginFault):
    """So many questions wait for a plugin that no more is asked."""


class ProviderFault(PluginFault):
    """A provider did not answer, or not as it must; channels that pin it freeze. `plugin` is the provider's name."""


class ProviderUnasked(ProviderFault):
    """A provider's plugin could not be asked by the deadline: nothing is wrong with its answers. Channels freeze until
    it can."""


class WouldDeadlock(LnpdError):
    """A plugin asks the node for something that would wait for what the node is just asking the plugin."""


class NodeStarting(LnpdError):
    """A plugin asked for what the node has not yet, or no more: it is starting or stopping."""


class WatchUnfit(LnpdError):
    """A plugin would watch, or broadcast, what has no good key, depth, height or output."""


class TooManyWatches(LnpdError):
    """A plugin would watch and broadcast more at once than it may."""


class TopicNotOwned(LnpdError):
    """A plugin would publish an event of a topic that its manifest does not declare."""


class EventUnfit(LnpdError):
    """A plugin's event is too long, or no JSON object."""


class TooManyEvents(LnpdError):
    """A plugin publishes more events than the node takes."""


class RpcNotGranted(LnpdError):
    """A plugin would call a method of the RPC that its grant does not name (--grant PLUGIN=rpc:METHODS)."""


class RpcAnswerTooLong(LnpdError):
    """A method of the RPC answers a plugin with more than it may be given at once."""


class KeyValueUnfit(LnpdError):
    """A plugin's row has a key or a value that is too long, or a page is to have too many rows."""


class KeyValueFull(LnpdError):
    """A plugin would keep more rows, or more bytes, than it may."""


class KeyValueChanged(LnpdError):
    """A plugin's row does not have the version that it was to have: somebody changed it meanwhile."""


class ManifestRefused(LnpdError):
    """A plugin's manifest is malformed, or claims what another owns; nothing of it was registered."""


class HookNotOwned(LnpdError):
    """A plugin called a hook that it does not offer."""


class HookFieldsWrong(LnpdError):
    """A plugin called a hook of its own with other fields than it declared, or with values of another type."""


class NoSuchHook(LnpdError):
    """A hook was named that neither the node nor any of its plugins has."""


class OptionRefused(LnpdError):
    """A plugin has no such option, or not with such a value, or not while it runs."""


class ReloadRefused(LnpdError):
    """A new process of a plugin may not, or did not, take the place of the present one, which goes on."""


class PluginNotRunning(LnpdError):
    """What is to be done with a plugin needs it to run, or needs it not to."""


class ChannelNotPinned(LnpdError):
    """A plugin asks about a channel that pins none of its providers: of others it learns nothing."""


class CommitmentForgotten(LnpdError):
    """A plugin asks what was sealed in a transaction of a channel, and the node has not kept it."""


class SandboxMissing(LnpdError):
    """Plugins are to run in a sandbox only, and there is none on this machine."""
