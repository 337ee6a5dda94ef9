"""The extension contract inside the node."""
