"""How is a node run by Electrum servers, and what can they do to it? (the options are read from the code)"""

from contrib.docs.markdown import block, code, page, table
from lnpd.chain.electrum import broadcasts, client
from lnpd.config.table import OPTIONS
from lnpd.tx.feerates import MAX_FEERATE_PER_KW


def electrum() -> str:
    """The page."""
    options = [(code(f"{row.flag} {row.metavar}"), row.help) for row in OPTIONS if row.field == "electrum"]
    packages = ".".join(map(str, broadcasts.PACKAGES_FROM))
    return page(
        "By an Electrum server",
        f"""For people without a bitcoind of their own. Servers of protocol {client.OLDEST} to {client.NEWEST} will do;
packages (a parent that only its child pays for) need {packages}.
""",
        block("lnpd --network signet --electrum ssl://one.example.org:60002 --electrum ssl://two.example.org:60002"),
        table(("option", "meaning"), options),
        f"""One server is asked at a time, in the order given; the next one when it is gone, behind, or says what it
cannot prove. Pauses between attempts grow to {client.LONGEST_PAUSE_SECONDS:g} seconds. `tcp://` is for a server on this
machine; `tcp-unprotected://` for one on another, if the way there is protected by other means.

A certificate that the system's authorities vouch for is believed, and from then on nothing less. Any other one is
believed at the first meeting, and from then on only that one; what is known is in `electrum/certificates` below the
data directory.
""",
        "## What is believed\n",
        f"""- Headers, down to the first block, by their links and the work done on them, with each network's rule of
  difficulty. The branch with the most work counts. (On signet the work is little: there a server is believed.)
- A confirmed transaction, by its id and a branch of hashes to its block's header.
- A watched output is followed by the history of its script; a transaction by that of its first output. At each new
  block every history is compared, whatever the server has told by itself, and an answer counts if the server stood at
  one tip all the while.
- Feerates: the server's, at most {MAX_FEERATE_PER_KW:,} sat per 1000 weight units.
""",
        "## What a server can do\n",
        """- It learns which scripts are yours, and from which address you ask.
- It can hide: a payment to you, a channel's spending, the newest blocks, that it did not pass a transaction on. A peer
  that owns your server can take back an old state unseen. Servers that disagree are not compared: of several, one is
  asked. With much money in channels run a bitcoind.
- It can tell of unconfirmed transactions that are none.
- It cannot forge: no block without its work, no confirmed transaction that is not in a block, no other place in it.
""",
        """What is in a whole block (`block_at`) is asked for transaction by transaction, and held against the header.
lnpd needs it only to name a block below the tip.
""",
    )
