"""What does plugins/rgb.py hold and move RGB assets with? rgb-lib's wallet, behind types and sentences of our own.

`engine.Engine` is what others use. rgb-lib itself is imported by `binding` alone, and may be missing.
"""
