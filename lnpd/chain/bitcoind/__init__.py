"""A view of the blockchain through a bitcoind (Bitcoin Core 24 or later, or Knots) over RPC and ZeroMQ."""
