"""What a person or a program can ask of a running node."""
