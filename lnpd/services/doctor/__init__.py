"""What is wrong with a running node, and what mends it? One table of small checks (table.py) over its services."""
