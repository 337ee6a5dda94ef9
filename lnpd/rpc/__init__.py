"""How do people and programs speak with a node: its commands, their answers, and a client."""
