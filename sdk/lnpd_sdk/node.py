"""What may a plugin ask of the node that runs it? All families of services in one object."""

from lnpd_sdk.services.chain import ChainAsks
from lnpd_sdk.services.channels import ChannelAsks
from lnpd_sdk.services.coins import CoinAsks
from lnpd_sdk.services.events import EventAsks
from lnpd_sdk.services.factories import FactoryAsks
from lnpd_sdk.services.holding import HoldingAsks
from lnpd_sdk.services.hooks import HookAsks
from lnpd_sdk.services.kv import KvAsks
from lnpd_sdk.services.log import LogAsks
from lnpd_sdk.services.messages import MessageAsks
from lnpd_sdk.services.payments import PaymentAsks
from lnpd_sdk.services.rpc import RpcAsks
from lnpd_sdk.services.signing import SigningAsks


class Node(
    ChannelAsks,
    FactoryAsks,
    MessageAsks,
    PaymentAsks,
    CoinAsks,
    HoldingAsks,
    SigningAsks,
    HookAsks,
    EventAsks,
    ChainAsks,
    RpcAsks,
    KvAsks,
    LogAsks,
):
    """What a plugin may ask of the node that runs it. Ids are lower-case hex.

    Everything here raises `lnpd_sdk.envelope.CallFailed` with the node's sentence if the node refuses (`code` is the
    name of the rule, `CapabilityMissing` if the user did not grant it), and `BusError` if the node does not answer.
    """
