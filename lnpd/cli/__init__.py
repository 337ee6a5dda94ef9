"""What a person touches: the daemon's entry, the lnp command, the shell."""
