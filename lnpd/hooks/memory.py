"""What did a provider answer before, and is it the same now?

Each provider has a memory of its own, bounded in entries and bytes, so that none can make the node forget what another
one answered. It outlives the provider's process: a plugin that was started again is held to its word.
"""

from collections import OrderedDict
from hashlib import sha256

from lnpd_sdk import envelope

from lnpd.errors import ProviderFault

MAX_ENTRIES = 10_000
MAX_BYTES = 32 * 1024 * 1024  # of answers; a digest is kept longer than its answer
DIGEST_BYTES = 16
UNKNOWN = object()


class Memory:
    """Answers and digests by the digest of their question; the oldest leave first."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._answers: OrderedDict[bytes, tuple[object, int]] = OrderedDict()
        self._digests: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    def recall(self, key: bytes) -> object:
        """The answer to a question, UNKNOWN if it has to be asked."""
        known = self._answers.get(key)
        return UNKNOWN if known is None else known[0]

    def compare(self, key: bytes, method: str, answer: object) -> int:
        """Holds an answer against the earlier one; ProviderFault if it differs. Its length in bytes.

        Compared is what the answer says, not how it was encoded: a plugin in another language may order a map
        differently.
        """
        data = envelope.encode(answer)
        digest = sha256(data).digest()[:DIGEST_BYTES]
        if self._digests.setdefault(key, digest) != digest:
            raise ProviderFault(self._provider, f"answered {method} differently than before")
        self._digests.move_to_end(key)
        if len(self._digests) > MAX_ENTRIES:
            self._digests.popitem(last=False)
        return len(data)

    def keep(self, key: bytes, answer: object, size: int) -> None:
        """Keeps an answer that was compared."""
        self._bytes += size - self._answers.pop(key, (None, 0))[1]
        self._answers[key] = (answer, size)
        while len(self._answers) > MAX_ENTRIES or self._bytes > MAX_BYTES:
            self._bytes -= self._answers.popitem(last=False)[1][1]
