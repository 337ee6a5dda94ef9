"""Would the node's own signer sign this, and in this order? The real one, behind every signature of a schedule.

A KeySigner with the secrets of a SoftSigner: it is asked as the channel service asks it, before what it answers is
stored, and goes on from its stored rows after a restart. What it signs is judged by the interpreter; what it refuses
fails the schedule.
"""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from lnpd_sdk.types import Party
from msgspec.structs import replace

from lnpd.channel import actions
from lnpd.channel.actions import CompleteClosing, SignClosing
from lnpd.channel.state import Channel, Policy
from lnpd.crypto.hd import TEST_COIN, ChannelIndex, Master
from lnpd.crypto.shachain import index_of
from lnpd.services.interfaces import ChannelPublics as Publics
from lnpd.services.interfaces import Claim, ClaimInput, SecondStage, SignerChannel, SignerRecord, StagePart
from lnpd.services.signer.keys import FixedChannelSecrets, Keys, Overrides
from lnpd.services.signer.service import KeySigner
from lnpd.services.signer.wallet import WalletKeys
from lnpd.tx.claims import Claimable
from lnpd.tx.graph import CommitmentSignatures, Funding, Graph
from lnpd.tx.transaction import Tx
from lnpd.wire.base import Message
from tests.channel.harness import POLICY, SCRIPTS, Node
from tests.channel.signer import SoftSigner

R = TypeVar("R")
INDEX = ChannelIndex(1, 2, 3)
MASTER = Master.from_seed(bytes(range(32)), TEST_COIN)
WALLET = WalletKeys(Keys(MASTER))  # of all alike: to know its addresses is 2000 derivations


def answer(asked: Coroutine[Any, Any, R]) -> R:
    """What a KeySigner answers: it waits for nothing."""
    try:
        asked.send(None)
    except StopIteration as ended:
        result: R = ended.value
        return result
    raise AssertionError("a KeySigner waits for nothing")


class RealSigner(SoftSigner):
    """One party's KeySigner. `see` is told of its channel before each step; `store` with each stored one."""

    def __init__(self, us: Party, destination: bytes) -> None:
        super().__init__(f"party {us}")
        self._us, self._destination = us, destination
        own = self.secrets
        fixed = FixedChannelSecrets(
            own["funding"], own["revocation"], own["payment"], own["delayed"], own["htlc"], self.seed
        )
        self._keys = Keys(MASTER, Overrides(channel=fixed))
        self._rows: dict[bytes, bytes] = {}
        self._stored: dict[bytes, bytes] = {}
        self._fundings: set[bytes] = set()
        self._signer = self._made()

    # What the channel service does

    def store(self) -> None:
        """What was answered so far stands in the same transaction as the step."""
        self._stored = dict(self._rows)

    def restart(self, channel: Channel) -> None:
        """Go on from the stored rows, once the snapshot's numbers fit them."""
        self._rows = dict(self._stored)
        self._signer = self._made()
        self._fundings = {f.txid for f in channel.fundings} if self._rows else set()
        if self._rows:
            answer(self._signer.resume_channel(INDEX, channel.numbers[channel.us], channel.numbers[channel.them]))

    def _made(self) -> KeySigner:
        signer = KeySigner(self._keys, tuple(SignerRecord(key, value) for key, value in self._rows.items()))
        signer._wallet = WALLET
        return signer

    def see(self, channel: Channel) -> None:
        """The channel as it is before what is asked next."""
        self.channel = channel

    def _register(self, funding: Funding) -> None:
        if funding.txid in self._fundings:
            return
        if not self._fundings:
            self._keep(answer(self._signer.reserve_channel(INDEX, "channel")).records)
            self._keep(answer(self._signer.register_channel(self._terms(funding))))
        else:
            self._keep(answer(self._signer.register_funding(INDEX, funding)))
        self._fundings.add(funding.txid)

    def _terms(self, funding: Funding) -> SignerChannel:
        channel, terms = self.channel, self.channel.terms
        opener, acceptor = (
            Publics(
                each.funding_key,
                each.revocation_basepoint,
                each.payment_basepoint,
                each.delayed_payment_basepoint,
                each.htlc_basepoint,
                answer(self._signer.channel_publics(INDEX)).first_per_commitment_point
                if party == self._us
                else channel.their_points[0],
            )
            for party, each in enumerate(terms)
        )
        return SignerChannel(
            index=INDEX,
            us=self._us,
            type=channel.channel_type,
            publics=(opener, acceptor),
            dust_limit_sat=(terms[0].dust_limit_sat, terms[1].dust_limit_sat),
            to_self_delay=(terms[1].to_self_delay, terms[0].to_self_delay),
            reserve_sat=(terms[1].channel_reserve_sat, terms[0].channel_reserve_sat),
            funding=funding,
            destinations=(self._destination,),
            dust_exposure_sat=channel.policy.max_dust_exposure_msat // 1000,
        )

    def _keep(self, records: Sequence[SignerRecord]) -> None:
        self._rows.update((each.key, each.value) for each in records)

    # Instead of the soft one's

    def point(self, number: int) -> bytes:
        return self._keys.channel(INDEX).point(number)

    def hold(self, us: Party, graph: Graph, signatures: CommitmentSignatures) -> str:
        self._register(graph.funding)
        held = answer(self._signer.hold_commitment(INDEX, graph, signatures))
        self._keep(held.records)
        if not held.wrong:
            self.held[graph.funding.txid, graph.number] = (graph, signatures)
        return held.wrong

    def sign(self, graph: Graph) -> CommitmentSignatures:
        self._register(graph.funding)
        revealed = self.channel.their_secrets.get(index_of(graph.number - 2)) if graph.number > 1 else b""
        self._keep(answer(self._signer.prepare_commitment(INDEX, graph, revealed or b"")))
        self.store()
        return answer(self._signer.sign_commitment(INDEX, graph))

    def sold(self, graph: Graph, index: int, signatures: tuple[bytes, ...]) -> bytes:
        return answer(self._signer.sold_secret(INDEX, graph, index, signatures))

    def release(self, number: int, fundings: tuple[Funding, ...]) -> bytes:
        self._keep(answer(self._signer.prepare_release(INDEX, number)))
        self.store()
        return super().release(number, fundings)

    def broadcast(self, graph: Graph, signatures: CommitmentSignatures) -> Tx:
        self._keep(answer(self._signer.prepare_broadcast(INDEX, graph.number)))
        self.store()
        return answer(self._signer.sign_broadcast(INDEX, graph, signatures))

    def signed_closing(self, closing: SignClosing) -> bytes:
        """Our signature of a mutual close."""
        self._keep(answer(self._signer.prepare_closing(INDEX, closing)))
        self.store()
        return answer(self._signer.sign_closing(INDEX, closing))

    def completed_closing(self, closing: CompleteClosing) -> Tx:
        """A mutual close, complete."""
        self._keep(answer(self._signer.prepare_closing(INDEX, closing.signing)))
        self.store()
        return answer(self._signer.complete_closing(INDEX, closing))

    # What leaves the channel

    def claim(self, graph: Graph, tx: Tx, claims: Sequence[Claimable], secret: bytes = b"") -> Tx:
        """A sweep or a penalty with its witnesses."""
        inputs = tuple(ClaimInput(c.vout, c.path.name, c.child, c.late, _place(graph, c)) for c in claims)
        return answer(self._signer.sign_claim(INDEX, Claim(graph, tx, inputs, secret)))

    def second_stage(self, graph: Graph, tx: Tx, claims: Sequence[Claimable], theirs: CommitmentSignatures) -> Tx:
        """A second-stage transaction of our own commitment with its witnesses."""
        parts = tuple(StagePart(c.stage, theirs.children[c.stage], c.late) for c in claims)
        return answer(self._signer.sign_second_stage(INDEX, SecondStage(graph, parts, tx)))


def _place(graph: Graph, claim: Claimable) -> int:
    return graph.children[claim.child].outputs.index(claim.output) if claim.child >= 0 else 0


class SigningNode(Node):
    """A node whose signer is a RealSigner."""

    signer: RealSigner

    def __init__(self, us: Party, policy: Policy = POLICY, providers: dict[str, Any] | None = None) -> None:
        self.signer = RealSigner(us, SCRIPTS[us])
        super().__init__(us, policy, providers, self.signer)

    def store(self, channel: Channel) -> None:
        super().store(channel)
        self.signer.see(channel)
        self.signer.store()

    def filled(self, send: actions.Send) -> Message:
        closings = [fill for fill in send.fill if isinstance(fill, SignClosing)]
        if not closings:
            return super().filled(send)
        message: Any = send.message
        return replace(message, signature=self.signer.signed_closing(closings[0]))  # type: ignore[no-any-return]

    def completed(self, broadcast: actions.Broadcast) -> Tx:
        closings = [fill for fill in broadcast.fill if isinstance(fill, CompleteClosing)]
        return self.signer.completed_closing(closings[0]) if closings else super().completed(broadcast)

    def restart(self) -> None:
        self.signer.restart(self.channel)
        super().restart()
