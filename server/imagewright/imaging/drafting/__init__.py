"""Composed drafts: palettes, brushes, scenes, lettering, and the prints made of them.

Pillow alone and no model: every draft follows from its prompt and seed, on every machine alike.
"""
