"""What does lnpd do, shown by tests of whole nodes, and what does it not do yet?"""

from typing import Final

from contrib.docs.markdown import page


def works() -> str:
    """The page."""
    return page("What works, and what does not yet", WORKS)


WORKS: Final = """\
Works, with tests of whole nodes:

- Channels of type static_remotekey and anchors_zero_fee_htlc_tx, opened by either side (BOLT 2, v1), several with one
  peer; payments over them by BOLT 11 invoices; reconnects with retransmission, data-loss protection, quiescence, fee
  changes (by itself, as estimates rise and fall), mutual close with fee ranges.
- Payments over several hops, along a route that is given (`lnp pay --route`) or that the invoice's hints show;
  forwarding for others, at terms for the node or a channel (`lnp relay`), each HTLC once whatever dies when
  (`lnp forwards`).
- On chain: our balance after every kind of close, anchors, plugins' outputs, and the penalty for a revoked state.
  Deadlines and penalties need stored data only: a dead plugin delays none of them. HTLCs are taken on chain by timeout
  and preimage, at fees that rise to their deadlines (`lnp channels --onchain`).
- Plugins in processes: commands, options, hooks, wire messages, providers, channel types; a late, wrong or dead one
  freezes only the channels that pin it. Each may do what `--grant` says: send its messages, update channels, sign with
  keys of its own, spend from the wallet, pay (invoices, and nodes without one), make invoices, watch the chain and
  broadcast, call the node's commands; limits of money hold over restarts (`lnp plugin grants`).
- Events of everything that changes state, for clients of the RPC and for plugins (`@plugin.on`): each has a number, and
  who was away goes on from its last one.
- The chain: an embedded regtest chain, or a bitcoind of any network (cookie or password, ZeroMQ or the clock, pruned
  too), or Electrum servers; each kind of transaction that lnpd makes is taken by a real bitcoind.
- A wallet (BIP 84) that funds channels; a signer and a chain in processes of their own, if wanted (`--signer process`,
  `--chain-process`); an encrypted seed.

Not yet:

- Nobody searches for a route, and a payment goes in one part: no public gossip, no BOLT 12.
- No dual funding, no splices, no taproot channels.
"""
