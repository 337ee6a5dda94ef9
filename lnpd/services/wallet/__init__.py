"""The on-chain wallet."""
