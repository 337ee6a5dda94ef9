"""The built-in commitment outputs, written as a plugin would write them."""
