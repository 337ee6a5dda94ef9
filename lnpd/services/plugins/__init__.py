"""Plugins and their processes."""
