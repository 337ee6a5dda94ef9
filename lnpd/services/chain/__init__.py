"""The chain, served, and followed for its watchers."""
