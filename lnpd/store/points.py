"""At which named moments may the power fail, and what must hold afterwards?

A persistence point is a place in the story of a channel, a payment or the node itself whose transaction must be
either wholly there or wholly absent. Code names the points that its transaction contains (`write.point("...")`);
the fail-points of `--developer` and the crash tests cut the power before and after each of them.

A layer that stores something new appends its row here. A test compares this table with the calls in the source.
"""

PERSISTENCE_POINTS: dict[str, str] = {
    "channel-proposed": "Our keys of a channel belong to it before open_channel shows them to the peer.",
    "channel-accepted": "Our keys of a channel belong to it before accept_channel shows them to the peer.",
    "funding-created": "We hold the funding transaction and the peer's first commitment before funding_created.",
    "funding-signed": "We hold our first commitment, signed by the opener, before funding_signed.",
    "funding-broadcast": "We hold our first commitment, signed by the acceptor, before the funding is broadcast.",
    "channel-ready": "The peer's channel_ready is stored: its point is needed for its next commitment.",
    "update-proposed": "An update of ours is in the log; it may still be forgotten at a reconnect.",
    "commitment-signed": "The peer's next commitment is kept before its signature leaves.",
    "commitment-held": "Our next commitment is kept, with the peer's signatures, before the last one is revoked.",
    "revocation-stored": "The peer's secret is stored, and what became irrevocable is told in the same transaction.",
    "preimage-learned": "A preimage that the peer showed is stored, and the payment it settles.",
    "channel-reestablished": "What the peer's channel_reestablish showed is stored before anything is sent again.",
    "shutdown-stored": "A shutdown, ours or the peer's, is stored: no HTLC is added from here on.",
    "closing-signed": "A mutual close is kept before our signature of it leaves or it is broadcast.",
    "force-close": "Our commitment will be broadcast: its secret is never released from here on.",
    "chain-event": "What the chain did to a channel is stored, and what follows from it is to be broadcast.",
    "chain-followed": "What some blocks did to the watches is in the inboxes, and the cursor stands after them.",
    "chain-past-read": "What the past did to new watches is in the inboxes, and they are new no more.",
    "wallet-funded": "The coins of a funding are reserved, and its change is known, before anyone sees it.",
    "wallet-released": "The coins of a funding that will not be broadcast are free again.",
    "wallet-version-back": "A transaction that the mempool refused gives its place to those that it was to replace.",
    "wallet-given": "An address or script is given out: it is watched, and not given again.",
    "wallet-followed": "What blocks, or the mempool, did to the wallet is stored; its cursor stands after them.",
    "wallet-past-read": "What the past did to new addresses is stored, and they are new no more.",
    "wallet-rescanned": "Of no address the past is known any more, and from where on it is to be read.",
    "store-owner": "This process has become the owner of the database: every older owner is refused from here on.",
    "invoice-created": "An invoice and its preimage are stored before anyone sees it.",
    "invoice-paid": "An invoice is paid, together with the decision to show its preimage.",
    "payment-offered": "A payment is on its way, together with its HTLC in a channel's log.",
    "payment-forgotten": "A payment's HTLC is gone from the log unsent; it may be offered again.",
    "payment-paid": "A payment's preimage is stored on arrival.",
    "payment-failed": "A payment's HTLC is gone for good, and why; it may be tried again from here on.",
    "plugin-pay-reserved": "What a plugin's payment may cost is set aside from its limit before the payment is made.",
    "plugin-nonce-given": "A nonce of MuSig2 is known before the plugin sees it.",
    "plugin-nonce-used": "A nonce of MuSig2 is marked as used before a signature is made with it.",
    "plugin-htlc-held": "An HTLC is held by a plugin: it waits for its word, over restarts.",
    "plugin-htlc-decided": "An HTLC about which a plugin was asked is decided, with the order for its channel.",
    "circuit-opened": "An HTLC is joined with an outgoing channel in the transaction that makes it irrevocable.",
    "circuit-offered": "A circuit's outgoing HTLC is in its channel's log: it is offered once.",
    "circuit-forgotten": "A circuit's outgoing HTLC is gone from the log unsent; it may be offered again.",
    "circuit-fulfilled": "A circuit's preimage is stored on arrival, with the order to claim its incoming HTLC.",
    "circuit-failed": "A circuit's outgoing HTLC is gone for good, with the order to fail its incoming one.",
    "channels-restored": "The channels of a backup are known as lost, with all of the signer's rows, or none is.",
    "payments-found": "What some blocks paid to the seed's payment basepoints is stored, and that they were searched.",
    "channels-doubted": "The channels of a database that is a copy know it, before anything else is done with them.",
    "relay-policy-set": "What a person asks for forwarding over a channel is stored before its peer hears of it.",
    "channel-update-made": "A channel_update is stored before it is sent: the next one has a later timestamp.",
    "channel-update-kept": "A peer's channel_update, its signature checked, is stored in the place of the one before.",
}
