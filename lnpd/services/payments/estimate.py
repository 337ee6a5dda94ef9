"""What would a payment cost? Everything is looked at as when it is paid, up to the HTLC, which is not offered."""

from collections.abc import Callable

from lnpd.errors import NoDirectChannel, PaymentFailed
from lnpd.hooks.features import PluginFeatures
from lnpd.rpc.answers import Estimate
from lnpd.services.payments.offer import amount_of, offer_for, readable, refuse_expired, usual_max_fee_msat, way_to
from lnpd.services.payments.view import channels_to, no_way, too_much
from lnpd.services.recipients import Channels


class Estimates:
    """Of payments of this node. network: BIP 173's prefix."""

    def __init__(
        self,
        channels: Channels,
        node_id: bytes,
        network: str,
        clock: Callable[[], float],
        height: Callable[[], int],
        features: Callable[[], PluginFeatures],
    ) -> None:
        self._channels, self._node_id, self._network = channels, node_id, network
        self._clock, self._height, self._features = clock, height, features

    def of(self, text: str, amount_msat: int | None, route: tuple[str, ...], max_fee_msat: int | None) -> Estimate:
        """Of an invoice. Raises what its payment would raise before anything is sent."""
        request = readable(text, self._network, self._node_id, self._features().table)
        amount_msat = amount_of(request, amount_msat)
        refuse_expired(request, self._clock())
        usable = self._channels.usable()
        way = way_to(request, route, usable)
        first = channels_to(way[0], usable) if way else []
        if way is None or not first:
            raise NoDirectChannel(no_way(way[0].node_id if way else request.payee, usable))
        offer = offer_for(request, amount_msat, self._height(), way, max_fee_msat)
        if lacking := too_much(first, offer.amount_msat, "the payee" if len(way) == 1 else "the first node"):
            raise PaymentFailed(lacking)
        # Along a way that is known the fee is known: the limit bounds it, and nothing more is ever offered.
        limit_msat = usual_max_fee_msat(amount_msat) if max_fee_msat is None else max_fee_msat
        return Estimate(
            amount_msat,
            offer.fee_msat,
            limit_msat,
            amount_msat + offer.fee_msat,
            request.payee.hex(),
            request.description or "",
        )
