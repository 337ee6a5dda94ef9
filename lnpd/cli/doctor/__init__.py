"""What is wrong with a node, whether it runs or not? Its own checks, and those of its surroundings."""
