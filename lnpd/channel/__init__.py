"""The channel protocol as a pure step machine."""
