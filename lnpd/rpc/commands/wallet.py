"""Which commands are there about the wallet? Rows of the one table."""

from typing import Final

from lnpd_sdk.moves import Moves

from lnpd import errors
from lnpd.rpc import answers
from lnpd.rpc.commands.table import FEERATE, MAX_FEE, WALLET, Command, Parameter, optional

WALLET_COMMANDS: Final[tuple[Command, ...]] = (
    Command("address", WALLET, "Show a fresh address of the wallet.", answers.Address, mutating=True),
    Command("funds", WALLET, "Show the wallet's coins and the balance in channels.", answers.Funds),
    Command(
        "coins release",
        WALLET,
        "Make an ordinary coin of one that is held for a plugin which is gone for good.",
        answers.Coin,
        (
            Parameter("outpoint", "outpoint", "the coin"),
            optional("lose", "boolean", "what the plugin has in it may be lost for good", False),
        ),
        mutating=True,
        call="coins_release",
        examples=("lnp coins release 7b8c...:1 --lose",),
        refused=(errors.CoinNotHeld, errors.CoinHeld),
    ),
    Command(
        "rescan",
        WALLET,
        "Look for the wallet's coins in the chain again.",
        answers.Funds,
        (optional("from_height", "integer", "begin at this block (default: the first)", 0),),
        mutating=True,
        examples=("lnp rescan --from-height 800000",),
        refused=(errors.ChainError,),
    ),
    Command(
        "send",
        WALLET,
        "Pay from the wallet on chain.",
        answers.Sent,
        (
            Parameter("address", "bitcoin_address", "whom to pay"),
            Parameter("amount_sat", "sat", "how much"),
            FEERATE,
            MAX_FEE,
        ),
        mutating=True,
        moves=Moves(max_fee="max_fee_sat", estimate="estimate.send"),
        examples=("lnp send bcrt1q... 50000",),
        refused=(
            errors.InsufficientFunds,
            errors.FeeTooHigh,
            errors.AddressRefused,
            errors.ChainUnreachable,
        ),
    ),
    Command(
        "mine",
        WALLET,
        "Mine blocks (regtest only).",
        answers.Mined,
        (Parameter("blocks", "blocks", "how many (default 1)", False, 1, bare=True),),
        mutating=True,
        examples=("lnp mine", "lnp mine 6"),
        refused=(
            errors.OnlyOnRegtest,
            errors.ChainUnreachable,
        ),
    ),
    Command(
        "fund",
        WALLET,
        "Let the faucet pay to the wallet, and mine what confirms it (regtest only).",
        answers.Funded,
        (Parameter("amount_sat", "sat", "how much"),),
        mutating=True,
        examples=("lnp fund 0.1btc",),
        refused=(
            errors.OnlyOnRegtest,
            errors.FaucetDry,
        ),
    ),
)
