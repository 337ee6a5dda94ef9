"""Transactions as values: scripts, the commitment pipeline, claims."""
