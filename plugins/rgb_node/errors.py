"""What can be wrong with assets in channels? One class a rule, each with a sentence for a person."""


class AssetRefused(Exception):
    """Any of these."""


class TermsUnreadable(AssetRefused):
    """What names an asset and an amount cannot be read."""


class AssetUnknown(AssetRefused):
    """This node does not know the asset's contract."""


class AmountUnfit(AssetRefused):
    """An amount that nobody has, or that is none."""


class ConsignmentRefused(AssetRefused):
    """A consignment that is not what was agreed on, or not one at all."""


class NotAnAssetInvoice(AssetRefused):
    """The invoice asks for no asset."""


class NoAssetChannel(AssetRefused):
    """No usable channel to the payee has so much of the asset."""


class PaymentRunning(AssetRefused):
    """The invoice is being paid by another call."""


class ShelfDamaged(AssetRefused):
    """A row or a file of the plugin's is not as it was left."""


class OpeningRefused(AssetRefused):
    """The peer, or this node, does not open the channel."""


class TokensStuck(AssetRefused):
    """Tokens of a channel that has ended cannot be brought home now; the text says why."""
