"""How does an RGB asset live in a channel, so that no transaction of it can lose a token?

    records     the amount of the asset that an HTLC carries, on the wire and in the onion
    state       who has how much of it, and what is in flight
    rules       which updates may stand: where a token is, there is always an output to hold it
    colour      the one transition of each transaction, and the 32 bytes that the transaction carries of it
    provider    the same as a provider of lnpd's: what a node asks
    history     the consignment that proves the chain of those transitions, from the funding on

All of it is pure: no I/O, clock or randomness. What both nodes have to get alike, they derive from what both know. The
bytes of RGB are those of the package `nia` beside this one. Tokens are the asset's smallest units.
"""
