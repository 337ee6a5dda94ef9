"""Which chain does a node follow that has no bitcoind? That of Electrum servers, which can hide, but not forge."""
