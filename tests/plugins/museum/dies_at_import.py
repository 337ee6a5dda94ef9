"""It raises while it is imported."""

raise RuntimeError("I never meant to run")
