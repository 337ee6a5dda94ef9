"""What is left of a node after its power failed at the worst moment? `make crash` runs all of it."""
