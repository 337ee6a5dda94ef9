"""Backups of channels: written, restored, and the check of a store."""
