"""`lnp` without a command: a shell. Completion, colours, a status bar, live events; entry.py is where it begins."""
