"""What composes the pure layers: tasks, timers, randomness."""
