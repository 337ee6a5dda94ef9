"""ZeroMQ: the one bus between processes."""
