"""A node put together."""
