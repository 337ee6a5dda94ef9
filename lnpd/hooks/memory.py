"""What did a provider answer before, and is it the same now?

Each provider has a memory of its own, so that none can make the node forget what another one answered; where all of
them hold too much, the largest forgets answers, which are then asked for again. It outlives the provider's process: a
plugin that was started again is held to its word. What it said of a commitment is remembered until that commitment is
revoked, which the numbers that are asked for later show; everything else within a bound.
"""

from collections import OrderedDict
from hashlib import sha256

from lnpd_sdk import envelope
from lnpd_sdk.types import Party, View

from lnpd.errors import ProviderFault

MAX_ENTRIES = 10_000  # of questions that no live commitment asks
MAX_BYTES = 32 * 1024 * 1024  # of answers; a digest is kept longer than its answer
NODE_BYTES = 128 * 1024 * 1024  # of the answers of all providers
# A commitment with number n + 2 is not prepared before n is signed away, nor n + 3 before n is revoked.
LIVE = 3
MAX_HELD = 20_000  # questions of one commitment: many times what the limits of pending updates lead to
MAX_SIDES = 10_000  # two a funding; whose commitments were not asked about for longest are forgotten first
DIGEST_BYTES = 16
UNKNOWN = object()


class Room:
    """What all memories of a node hold together. Where that is too much, the one that holds most forgets."""

    def __init__(self) -> None:
        self.held_bytes = 0
        self._memories: list[Memory] = []

    def memory(self, provider: str) -> "Memory":
        """One more."""
        self._memories.append(memory := Memory(provider, self))
        return memory

    def fit(self) -> None:
        """Makes them forget until they fit."""
        while self.held_bytes > NODE_BYTES:
            max(self._memories, key=lambda each: each.held_bytes).forget_oldest()


class Memory:
    """Answers and digests by the digest of their question; the oldest leave first."""

    def __init__(self, provider: str, room: Room) -> None:
        self._provider, self._room = provider, room
        self._answers: OrderedDict[bytes, tuple[object, int]] = OrderedDict()
        self.held_bytes = 0
        self._digests: dict[bytes, bytes] = {}
        self._loose: OrderedDict[bytes, None] = OrderedDict()  # questions that nothing holds
        self._held: dict[bytes, int] = {}  # by how many commitments
        self._sides: OrderedDict[tuple[bytes, Party], dict[int, set[bytes]]] = OrderedDict()

    def recall(self, key: bytes) -> object:
        """The answer to a question, UNKNOWN if it has to be asked."""
        known = self._answers.get(key)
        return UNKNOWN if known is None else known[0]

    def hold(self, key: bytes, view: View) -> None:
        """The question is asked of this view's commitment: what is answered counts as long as that lives."""
        side = view.funding_txid, view.holder
        numbers = self._sides.setdefault(side, {})
        if view.number not in numbers:
            self._begin(side, numbers, view.number)
        keys = numbers.get(view.number)  # None: it is older than those that live
        if keys is not None and key not in keys and len(keys) < MAX_HELD:
            keys.add(key)
            self._held[key] = self._held.get(key, 0) + 1
            self._loose.pop(key, None)

    def _begin(self, side: tuple[bytes, Party], numbers: dict[int, set[bytes]], number: int) -> None:
        numbers[number] = set()
        for old in [each for each in numbers if each <= max(numbers) - LIVE]:
            self._let_go(numbers.pop(old))
        self._sides.move_to_end(side)
        if len(self._sides) > MAX_SIDES:
            for keys in self._sides.popitem(last=False)[1].values():
                self._let_go(keys)

    def _let_go(self, keys: set[bytes]) -> None:
        for key in keys:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
                self._loosen(key)

    def _loosen(self, key: bytes) -> None:
        self._loose[key] = None
        self._loose.move_to_end(key)
        if len(self._loose) > MAX_ENTRIES:
            self._digests.pop(self._loose.popitem(last=False)[0], None)

    def compare(self, key: bytes, method: str, answer: object) -> int:
        """Holds an answer against the earlier one; ProviderFault if it differs. Its length in bytes.

        Compared is what the answer says, not how it was encoded: a plugin in another language may order a map
        differently.
        """
        data = envelope.encode(answer)
        digest = sha256(data).digest()[:DIGEST_BYTES]
        if self._digests.setdefault(key, digest) != digest:
            raise ProviderFault(self._provider, f"answered {method} differently than before")
        if key not in self._held:
            self._loosen(key)
        return len(data)

    def keep(self, key: bytes, answer: object, size: int) -> None:
        """Keeps an answer that was compared."""
        self._hold(size - self._answers.pop(key, (None, 0))[1])
        self._answers[key] = (answer, size)
        while len(self._answers) > MAX_ENTRIES or self.held_bytes > MAX_BYTES:
            self.forget_oldest()
        self._room.fit()

    def forget_oldest(self) -> None:
        """Of its answers; its digest stays."""
        self._hold(-self._answers.popitem(last=False)[1][1])

    def _hold(self, more_bytes: int) -> None:
        self.held_bytes += more_bytes
        self._room.held_bytes += more_bytes
