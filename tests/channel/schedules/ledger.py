"""What must two channels hold after a schedule, worked out by arithmetic that shares nothing with lnpd?

The ledger hears of commands that were accepted, of commitment_signed messages that left, and of lost connections. From
these alone follow which updates live (BOLT 2: what no commitment_signed covered at a lost connection never was), every
balance, and every output of every commitment (BOLT 3).
"""

from dataclasses import dataclass, field

ANCHOR_SAT = 330
HTLC_TIMEOUT_WEIGHT, HTLC_SUCCESS_WEIGHT, OUTPUT_WEIGHT = 663, 703, 172
PLAIN_WEIGHT, ANCHORS_WEIGHT = 724, 1124


@dataclass
class Htlc:
    """An HTLC whose place in its offerer's list is its id; `number` names its preimage."""

    amount_msat: int
    number: int
    cltv_expiry: int
    signed: bool = False
    fulfilled: bool | None = None  # None until its recipient has decided


@dataclass
class Move:
    """An update of the vault: `put`, `take` and `give` an amount, by its proposer."""

    party: int
    verb: str
    amount_sat: int
    signed: bool = False


@dataclass
class Fee:
    """An update_fee."""

    feerate_per_kw: int
    signed: bool = False


@dataclass
class Ledger:
    """`start_msat`: balances by party at the opening."""

    capacity_sat: int
    start_msat: tuple[int, int]
    anchors: bool
    fees: list[Fee]
    carrier_weight: int = 0  # of what is sealed in each HTLC transaction, whose fee comes out of the HTLC
    htlcs: tuple[list[Htlc], list[Htlc]] = field(default_factory=lambda: ([], []))
    moves: list[Move] = field(default_factory=list)
    forgotten: list[list[str]] = field(default_factory=lambda: [[], []])  # kinds, by proposer
    offered: list[list[int]] = field(default_factory=lambda: [[], []])  # numbers of all HTLCs ever offered

    # What happens

    def offer(self, party: int, htlc: Htlc) -> None:
        self.htlcs[party].append(htlc)
        self.offered[party].append(htlc.number)

    def signed(self, party: int) -> None:
        """A commitment_signed of this party left: it covers all that the party proposed."""
        for each in self._proposed(party):
            each.signed = True

    def lost(self, party: int) -> None:
        """The connection was lost."""
        kinds = self.forgotten[party]
        kinds += ["htlc" for each in self.htlcs[party] if not each.signed]
        kinds += ["move" for each in self.moves if each.party == party and not each.signed]
        self.htlcs[party][:] = [each for each in self.htlcs[party] if each.signed]
        self.moves[:] = [each for each in self.moves if each.party != party or each.signed]
        if party == 0:
            self.fees[:] = [each for each in self.fees if each.signed]

    def _proposed(self, party: int) -> list[Htlc | Move | Fee]:
        moves = [each for each in self.moves if each.party == party]
        return [*self.htlcs[party], *moves, *(self.fees if party == 0 else [])]

    # What follows, once nothing is pending

    def balances_msat(self) -> tuple[int, int]:
        balances = list(self.start_msat)
        for party in (0, 1):
            paid = sum(each.amount_msat for each in self.htlcs[party] if each.fulfilled)
            paid += sum(1000 * m.amount_sat for m in self.moves if m.party == party and m.verb == "give")
            balances[party] -= paid
            balances[1 - party] += paid
        return balances[0], balances[1]

    def boxes_sat(self) -> tuple[int, int]:
        held = [0, 0]
        for move in self.moves:
            held[move.party] += move.amount_sat if move.verb == "put" else -move.amount_sat
        return held[0], held[1]

    def live(self, party: int) -> list[Htlc]:
        """This party's HTLCs that are not decided."""
        return [each for each in self.htlcs[party] if each.fulfilled is None]

    def feerate_per_kw(self) -> int:
        return self.fees[-1].feerate_per_kw

    def outputs_sat(self, holder: int, dust_sat: int) -> list[int]:
        """The values of a holder's commitment, sorted (BOLT 3, Commitment Transaction Outputs and Fees)."""
        feerate, values = self.feerate_per_kw(), []
        for party in (0, 1):
            weight = (HTLC_TIMEOUT_WEIGHT if party == holder else HTLC_SUCCESS_WEIGHT) + self.carrier_weight
            least = dust_sat + (0 if self.anchors else weight * feerate // 1000)
            values += [h.amount_msat // 1000 for h in self.live(party) if h.amount_msat // 1000 >= least]
        values += [box for box in self.boxes_sat() if box >= dust_sat]
        others = bool(values)  # BOLT 3 speaks of HTLCs; any other output is as good a reason for both anchors
        weight = (ANCHORS_WEIGHT if self.anchors else PLAIN_WEIGHT) + OUTPUT_WEIGHT * len(values)
        cost_sat = weight * feerate // 1000 + (2 * ANCHOR_SAT if self.anchors else 0)
        for party in (0, 1):
            left_msat = self.balances_msat()[party] - 1000 * self.boxes_sat()[party]
            left_msat -= sum(each.amount_msat for each in self.live(party)) + (1000 * cost_sat if party == 0 else 0)
            main = left_msat // 1000 >= dust_sat
            values += [left_msat // 1000] if main else []
            values += [ANCHOR_SAT] if self.anchors and (main or others) else []
        return sorted(values)
