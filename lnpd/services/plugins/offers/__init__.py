"""What does the node do for plugins? A file for each family of services; table.py has them all."""
