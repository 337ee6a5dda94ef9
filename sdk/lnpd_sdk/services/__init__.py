"""What may a plugin ask of its node? A file for each family: the values that travel, and the methods of `Node`."""
