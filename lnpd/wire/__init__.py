"""Bytes to messages and back (BOLT 1, 2, 7)."""
