"""The only holder of keys."""
