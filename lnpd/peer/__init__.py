"""A peer's session as a state machine: bytes in, messages out."""
