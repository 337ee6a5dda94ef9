"""What may a channel be registered with at the signer?"""

from typing import Final

from lnpd_sdk.types import PARTIES

from lnpd.errors import FundingRefused, MainRefused, ScriptRefused
from lnpd.services.interfaces import ChannelIndex, ChannelPublics, SignerChannel
from lnpd.services.signer.refusals import Rule, refuse
from lnpd.services.signer.state import MAX_DESTINATIONS
from lnpd.tx.funding import make_funding
from lnpd.tx.funding_types import check_funding as check_script
from lnpd.tx.graph import Funding
from lnpd.tx.mains import check_mains

MAX_SCRIPT_BYTES: Final = 42
MAX_NAME: Final = 200


def in_range(index: ChannelIndex) -> bool:
    """Whether the levels are 31-bit numbers."""
    return 0 <= index.first < 1 << 31 and 0 <= index.second < 1 << 31


def check_name(name: str) -> None:
    """What the caller calls a channel. Raises SignerRefused."""
    if not 1 <= len(name) <= MAX_NAME:
        refuse(Rule.UNFIT_TERMS, f"a channel's name has 1 to {MAX_NAME} characters.")


def check_terms(channel: SignerChannel, publics: ChannelPublics) -> None:
    """`publics` are our own keys at this index. Raises SignerRefused."""
    if channel.publics[channel.us] != publics:
        refuse(Rule.UNFIT_TERMS, "our public keys of this channel are others.")
    if len({each.funding_pubkey for each in channel.publics}) != 2:
        refuse(Rule.UNFIT_TERMS, "both parties have one funding key.")
    if channel.type.main is not None:
        try:
            check_mains(channel.type.main)
        except (MainRefused, ScriptRefused) as error:
            refuse(Rule.UNFIT_TERMS, str(error))
    for party in PARTIES:
        if not 1 <= channel.to_self_delay[party] <= 0xFFFF:
            refuse(Rule.UNFIT_TERMS, f"a to_self_delay of {channel.to_self_delay[party]} blocks is none.")
        if channel.dust_exposure_sat < 0 or channel.dust_limit_sat[party] < 0 or channel.reserve_sat[party] < 0:
            refuse(Rule.UNFIT_TERMS, "a dust limit, a dust exposure or a channel reserve is negative.")


def check_funding(channel: SignerChannel, funding: Funding) -> None:
    """A funding is the 2-of-2 of the registered keys, or what the type makes of them. Raises SignerRefused."""
    keys = (channel.publics[0].funding_pubkey, channel.publics[1].funding_pubkey)
    try:
        expected = make_funding(funding.txid, funding.vout, funding.capacity_sat, keys, channel.type.funding)
        if channel.type.funding is not None:
            check_script(channel.type.funding, keys)
    except (FundingRefused, ScriptRefused) as error:
        refuse(Rule.UNFIT_TERMS, str(error))
    if funding != expected or funding.capacity_sat <= 0:
        refuse(Rule.UNFIT_TERMS, "the funding is not what the channel's type makes of the funding keys.")


def check_destination(script_pubkey: bytes, destinations: tuple[bytes, ...]) -> None:
    """A scriptPubKey outside of the wallet, among all of a channel. Raises SignerRefused."""
    if not 4 <= len(script_pubkey) <= MAX_SCRIPT_BYTES or len(destinations) > MAX_DESTINATIONS:
        refuse(Rule.UNFIT_TERMS, "a destination is no scriptPubKey, or there are too many.")
