"""What becomes of a plugin's outputs once a commitment is in the chain, and what does a thief broadcast?"""

from collections.abc import Mapping
from typing import NamedTuple

from lnpd.channel.queries import commitment_key
from lnpd.crypto.secp import sign
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.services.channels.batch import find_row, kept_of
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.node.node import Node
from lnpd.services.signer.service import KeySigner
from lnpd.testing.network import Network
from lnpd.tx.graph import Graph
from lnpd.tx.signatures import commitment_digest, signed_commitment
from lnpd.tx.transaction import Tx, parse


class Fate(NamedTuple):
    """The commitments that may have confirmed, by txid, above a height."""

    graphs: Mapping[bytes, Graph]
    height: int


async def stale_commitment(node: Node, driver: ChannelDriver) -> tuple[Graph, Tx]:
    """A node's present commitment with both signatures: what it may broadcast until its next one, and a thief later."""
    channel = driver.channel
    key = commitment_key(channel.fundings[0].txid, channel.us, channel.numbers[channel.us])
    kept = kept_of(await node.store.read(lambda read: find_row(read, channel, "commitment", key)))
    assert kept is not None and kept.signatures is not None, "the commitment is not there yet"
    assert isinstance(node.signer, KeySigner), "the signer runs in a process of its own"
    secret = node.signer._keys.channel(driver.index).funding  # a thief has its own keys
    signature = sign(secret, commitment_digest(kept.graph))
    return kept.graph, signed_commitment(kept.graph, signature, kept.signatures.commitment)


async def taken_by(network: Network, fate: Fate, nodes: Mapping[str, Node]) -> dict[str, str | None] | None:
    """By the id of each of a plugin's outputs in the commitment that confirmed, whose wallet has it now; None while it
    is not spent. None in place of all while no commitment has confirmed."""
    txs = await transactions(network, fate.height)
    graph = next((fate.graphs[tx.txid] for tx in txs if tx.txid in fate.graphs), None)
    if graph is None:
        return None
    return {
        output.id: _owner(txs, graph.tx.txid, vout, nodes)
        for vout, output in enumerate(graph.outputs)
        if output.provider not in CORE_PROVIDERS and output.value_sat
    }


async def transactions(network: Network, height: int) -> list[Tx]:
    """All above a height, but for coinbases."""
    found = []
    for each in range(height + 1, (await network.chain.best_block()).height + 1):
        block = await network.chain.block_at(each)
        assert block is not None
        for txid in block.txids[1:]:
            known = await network.chain.transaction(txid)
            assert known is not None
            found.append(parse(known.transaction))
    return found


def _owner(txs: list[Tx], txid: bytes, vout: int, nodes: Mapping[str, Node]) -> str | None:
    """In whose wallet an output ended, through whatever transactions."""
    spender = next((tx for tx in txs if (txid, vout) in [(i.txid, i.vout) for i in tx.inputs]), None)
    if spender is None:
        return None
    for name, node in nodes.items():
        if any(node.wallet.scripts.path(output.script_pubkey) is not None for output in spender.outputs):
            return name
    return next((who for n in range(len(spender.outputs)) if (who := _owner(txs, spender.txid, n, nodes))), None)
