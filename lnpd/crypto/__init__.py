"""Noise transport, keys and onions: pure functions on secp256k1."""
