"""Does the bitcoind of a node answer, while the node does not run?"""

from lnpd.chain.bitcoind.rpc import Rpc
from lnpd.chain.bitcoind.state import state_of
from lnpd.config import Config
from lnpd.errors import ChainError
from lnpd.rpc.answers import Finding
from lnpd.services.doctor.check import danger
from lnpd.services.doctor.of_chain import START_BITCOIND, chain_flags, of_bitcoind
from lnpd.services.node.places import find_bitcoind


async def findings(config: Config) -> tuple[Finding, ...]:
    """What is wrong with it; what was pruned is judged by the node, which knows what it needs."""
    try:
        rpc = Rpc(find_bitcoind(config))
    except ChainError as error:
        return (danger(str(error), START_BITCOIND, chain=chain_flags(config)),)
    try:
        state = await state_of(rpc)
    except ChainError as error:
        return (danger(f"bitcoind does not answer: {error}", START_BITCOIND, chain=chain_flags(config)),)
    finally:
        await rpc.close()
    return tuple(of_bitcoind(state, state.height, config))
