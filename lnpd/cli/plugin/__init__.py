"""What helps an author of a plugin: `lnp plugin new`, `check`, `run` and `replay`."""
