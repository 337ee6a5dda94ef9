"""What does the plugin do with its node? Openings, payments, and what comes home from a channel."""
