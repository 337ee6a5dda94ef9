"""What does a thief keep of its commitments, and what can it do with them once they are revoked?"""

from collections.abc import Sequence
from dataclasses import dataclass

from lnpd_sdk.script import Key

from lnpd.channel.queries import Kept, commitment_key
from lnpd.crypto.secp import sign
from lnpd.services.channels.batch import find_row, kept_of
from lnpd.services.node.node import Node
from lnpd.services.signer.keys import ChannelKeys
from lnpd.services.signer.service import KeySigner
from lnpd.tx.claims import Claimable, claimable
from lnpd.tx.signatures import commitment_digest, counterparty_key, signed_commitment, witness
from lnpd.tx.sweeps import may_share, second_stage
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.e2e.closing import driver_of


@dataclass(frozen=True)
class Loot:
    """A commitment as it was, and the keys of the node whose it is."""

    kept: Kept
    keys: ChannelKeys
    us: int

    @property
    def commitment(self) -> Tx:
        """Complete."""
        signatures = self.kept.signatures
        assert signatures is not None
        own = sign(self.keys.funding, commitment_digest(self.kept.graph))
        return signed_commitment(self.kept.graph, own, signatures.commitment)

    def claims(self, preimages: Sequence[bytes], hashes: Sequence[bytes]) -> list[Claimable]:
        """What goes through a second stage, with these preimages known."""
        late = {f"sha256:{each.hex()}": known for each, known in zip(hashes, preimages, strict=True)}
        plan = claimable(self.kept.graph, self.us, "latest", late)  # type: ignore[arg-type]
        return [each for each in plan.claims if each.stage >= 0]

    def second_stage(self, claims: Sequence[Claimable], coin: tuple[TxIn, int] | None = None) -> Tx:
        """The HTLC transaction of these, alone or together; where it needs one, a coin that anyone may spend pays."""
        graph, signatures = self.kept.graph, self.kept.signatures
        assert signatures is not None
        tx = second_stage(graph, claims)
        if coin is not None and all(may_share(graph.children[each.stage]) for each in claims):
            change = TxOut(coin[1] - 10_000, b"\x00\x14" + bytes(20))
            tx = Tx((*tx.inputs, coin[0]), (*tx.outputs, change), tx.locktime)
        signed = tx
        for position, each in enumerate(claims):
            child = graph.children[each.stage]
            digest = tx.sighash(position, each.output.witness_script, each.output.value_sat)
            secret = self.keys.secret(Key.HOLDER_HTLC, True, graph.keys.per_commitment_point)
            assert secret is not None
            by_key = {Key.HOLDER_HTLC: sign(secret, digest)}
            by_key[counterparty_key(graph, child)] = signatures.children[each.stage]  # type: ignore[index]
            items = witness(child.path, each.output.witness_script, by_key, dict(each.late))  # type: ignore[arg-type]
            signed = signed.with_witness(position, items)
        return signed


async def loot(node: Node, back: int = 0) -> Loot:
    """The node's present commitment, or one that was so many before it."""
    driver = driver_of(node)
    channel = driver.channel
    key = commitment_key(channel.fundings[0].txid, channel.us, channel.numbers[channel.us] - back)
    kept = kept_of(await node.store.read(lambda read: find_row(read, channel, "commitment", key)))
    assert kept is not None
    assert isinstance(node.signer, KeySigner)
    return Loot(kept, node.signer._keys.channel(driver.index), channel.us)
