"""How does one get a Lightning node that is not ours?"""
