"""On which terms does a node open channels, relay and keep coins, by its configuration, at its start and later?"""

from collections.abc import Iterable

from msgspec.structs import replace

from lnpd.config import Config, Developer
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.services.channels.caps import Caps
from lnpd.services.channels.opening import demands_of, policy_of, promised_script
from lnpd.services.channels.parts import Settings
from lnpd.services.node.services import Services
from lnpd.services.node.tuning import Taker
from lnpd.services.wallet.service import Wallet


def channel_settings(config: Config, wallet: Wallet) -> Settings:
    """What the configuration says of channels that open from now on."""
    developer = config.developer or Developer()
    depth = config.minimum_depth if developer.minimum_depth is None else developer.minimum_depth
    policy = replace(
        policy_of(config.limits),
        require_channel_type=developer.require_channel_type,
        htlc_deadlines=developer.htlc_timeouts,
    )
    return Settings(
        CHAIN_HASHES[config.network],
        demands_of(config.limits, depth, promised_script(config.upfront_shutdown, wallet.scripts)),
        policy,
        wallet.next_script,
        Caps(config.limits, config.experimental_types),
    )


def take_terms(services: Services) -> Iterable[Taker]:
    """Who takes a change at run time, and does what it means."""
    channels = services.channels

    def open_channels(config: Config) -> None:
        channels.settings = channel_settings(config, services.wallet)
        channels.room.caps = channels.settings.caps

    def keep_coins(config: Config) -> None:
        channels.parts.reserve.per_channel_sat = config.reserve_sat

    return (open_channels, lambda config: services.payments.relay.ask(config.relay), keep_coins)
