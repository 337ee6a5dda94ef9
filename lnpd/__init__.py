"""lnpd: a Lightning node whose channels can be reshaped from outside."""
