"""Views of the blockchain."""
