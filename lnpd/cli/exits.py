"""What do the exit codes of `lnp` and `lnpd` mean? The one table; --help prints it."""

from typing import Final

from lnpd import errors
from lnpd.rpc.codes import CODES, INTERNAL_ERROR, INVALID_PARAMS, NO_SUCH_METHOD

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
NOT_RUNNING: Final = 3
TIMEOUT: Final = 4
CONNECTION_LOST: Final = 5
NODE_FAULT: Final = 6
NOT_CONFIRMED: Final = 7
WRONG: Final = 21
INTERRUPTED: Final = 130

LNP_EXITS: Final = {
    OK: "done",
    REFUSED: "the node refused it; the line says why",
    USAGE: "the command or a parameter is wrong",
    NOT_RUNNING: "no lnpd runs in the data directory",
    TIMEOUT: "no answer in time; a payment or a close that was begun goes on",
    CONNECTION_LOST: "the node ended before it had answered",
    NODE_FAULT: "the node failed in a way of its own; its log says how",
    NOT_CONFIRMED: "you were asked, and did not say yes: nothing was done",
    WRONG: "`lnp doctor` found a warning or a danger",
    INTERRUPTED: "interrupted; what was begun goes on",
}

_OF_NODE: Final = {
    NO_SUCH_METHOD: USAGE,
    INVALID_PARAMS: USAGE,
    INTERNAL_ERROR: NODE_FAULT,
    CODES[errors.PaymentPending]: TIMEOUT,
    CODES[errors.ClosePending]: TIMEOUT,
    CODES[errors.OpenTimedOut]: TIMEOUT,
}
_OF_CLIENT: Final[dict[type[BaseException], int]] = {
    errors.NodeUnavailable: NOT_RUNNING,
    errors.NotConfirmed: NOT_CONFIRMED,
    errors.DeadlineMissed: TIMEOUT,
    errors.NodeConnectionLost: CONNECTION_LOST,
    errors.ParameterRefused: USAGE,
    errors.ConfigRefused: USAGE,
    errors.NoSuchMethod: USAGE,
}


def exit_of(error: errors.LnpdError) -> int:
    """The exit code of `lnp` for an error."""
    if isinstance(error, errors.RefusedByNode):
        return _OF_NODE.get(error.code, REFUSED)
    return _OF_CLIENT.get(type(error), REFUSED)


# lnpd: what keeps a node from starting

LNPD_EXITS: Final[dict[int, tuple[str, tuple[type[BaseException], ...]]]] = {
    OK: ("ended as it was asked to", ()),
    REFUSED: ("it could not start or go on; the line says why", ()),
    USAGE: ("an option is wrong, or not allowed together with another", (errors.ConfigRefused,)),
    10: ("another lnpd has the data directory", (errors.DirectoryInUse, errors.ChainLocked)),
    11: ("the data directory or its database cannot be used, or is damaged", (
        errors.DirectoryUnusable, errors.CorruptDatabase, errors.DatabaseFailed, errors.BlockLogDamaged,
    )),
    12: ("a newer lnpd wrote the database", (errors.NewerDatabase,)),
    13: ("the passphrase is wrong or missing", (
        errors.WrongPassphrase, errors.PassphraseMissing, errors.PassphraseRefused, errors.PlainSeedRefused,
    )),
    14: ("there is no seed yet: run `lnpd init`", (errors.SeedFileMissing,)),
    15: ("an address is taken or cannot be listened at", (errors.ListenRefused, errors.EndpointRefused)),
    16: ("the data directory belongs to another network, chain or seed", (
        errors.WrongNetwork, errors.ChainIsAnother, errors.WrongChain, errors.WrongSeed,
    )),
    17: ("a plugin's path names no file", (errors.PluginNotFound,)),
    18: ("there is a seed already", (errors.SeedFileExists,)),
    19: ("the chain cannot be reached or opened", (errors.ChainError,)),
    20: ("a backup of channels is not what was asked for, or cannot be read or written", (errors.BackupError,)),
    WRONG: ("`lnpd check` found what is wrong", ()),
    INTERRUPTED: ("interrupted before it was ready", ()),
}  # fmt: skip


def daemon_exit_of(error: errors.LnpdError) -> int:
    """The exit code of `lnpd` for an error: the row of its class, else of the nearest class above it."""
    rows = {kind: code for code, (_, kinds) in LNPD_EXITS.items() for kind in kinds}
    return next((rows[kind] for kind in type(error).__mro__ if kind in rows), REFUSED)
