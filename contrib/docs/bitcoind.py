"""How is a node run on a bitcoind, and what does it ask of it? (the options and the methods are read from the code)"""

import ast
import inspect
import pkgutil
from collections.abc import Iterator

import lnpd.chain.bitcoind as backend
from contrib.docs.markdown import block, code, page, table
from lnpd.chain.bitcoind import address, broadcasts, fees, start
from lnpd.config.table import OPTIONS
from lnpd.tx.feerates import MAX_FEERATE_PER_KW

ONLY_REGTEST = "regtest"
TOPICS = ("bitcoind", "wallet_birth")


def bitcoind() -> str:
    """The page."""
    options = [(code(f"{row.flag} {row.metavar}"), row.help) for row in OPTIONS if row.field.startswith(TOPICS)]
    chains = [
        (code(f"--network {name}"), code(chain.name), str(chain.port), code(chain.folder))
        for name, chain in address.CHAINS.items()
    ]
    return page(
        "On a bitcoind",
        f"""lnpd takes its chain from Bitcoin Core {start.OLDEST // 10_000} or later, or Bitcoin Knots. No wallet of
bitcoind's is used, and none has to be compiled in. What makes it better:

- `zmqpubhashblock` and `zmqpubsequence`: lnpd hears of blocks and transactions at once. Without them, or when they
  fall silent, it asks by the clock, and says so.
- `blockfilterindex=1`: the past of a restored wallet is found in minutes. Without it each block is read.
- `txindex=1` is not needed.
- A pruned node will do as long as lnpd is not away for longer than bitcoind keeps blocks; otherwise the block that is
  missing is named, and nothing is skipped.
- Packages (a parent that only its child pays for) need Core {broadcasts.PACKAGES_FROM // 10_000}, and
  {broadcasts.RELAYED_FROM // 10_000} to be relayed to others.
""",
        block(
            "server=1\nzmqpubhashblock=tcp://127.0.0.1:28332\nzmqpubsequence=tcp://127.0.0.1:28332\nblockfilterindex=1"
        ),
        "## Where it is looked for\n",
        table(("option", "meaning"), options),
        """A user and a password come from the URL, or else from `rpcuser` and `rpcpassword` in bitcoin.conf, or else
the cookie is read, and read anew when bitcoind was restarted. A password in an argument can be seen by everybody on the
machine (`ps`): put the URL into LNPD_BITCOIND, or use the cookie. lnpd never logs it.
""",
        table(("network", "bitcoind's name", "port", "folder of the cookie"), chains),
        f"""lnpd starts once bitcoind has the whole chain, and says how far it is. A bitcoind of another network is
refused; so is a signet that is not the public one. Feerates are bitcoind's estimates, at least what its mempool takes
now, at most {MAX_FEERATE_PER_KW:,} sat per 1000 weight units. On regtest, which knows no fees,
{fees.REGTEST_PER_KW:,} stand in; elsewhere no estimate means that the last one known is used.
""",
        "## What lnpd asks\n",
        "For `rpcwhitelist`, if other users share the bitcoind:\n",
        block("\n".join(sorted(methods()))),
        "On regtest `lnp mine` and `lnp fund` work as on the embedded chain, and also ask "
        f"{', '.join(code(name) for name in sorted(methods(ONLY_REGTEST) - methods()))}.\n",
    )


def methods(*more: str) -> frozenset[str]:
    """The methods of RPC that the backend calls, and those of the modules named."""
    modules = [each.name for each in pkgutil.iter_modules(backend.__path__)]
    chosen = [name for name in modules if name != ONLY_REGTEST or name in more]
    return frozenset(method for name in chosen for method in _called(name))


def _called(name: str) -> Iterator[str]:
    module = __import__(f"{backend.__name__}.{name}", fromlist=["*"])
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call):
            match node.func, node.args:
                case ast.Name(id="Ask"), [ast.Constant(value=str(method)), *_]:
                    yield method
                case ast.Attribute(attr="call"), [_, ast.Constant(value=str(method)), *_]:
                    yield method
