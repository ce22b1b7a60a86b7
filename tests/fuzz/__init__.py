"""Fuzz targets: what takes bytes from outside, what must hold of every answer, and seeds to begin with.

`test_targets.py` tries each of them shortly with every run of the tests; `python -m tests.fuzz NAME` for as long as one
likes.
"""
