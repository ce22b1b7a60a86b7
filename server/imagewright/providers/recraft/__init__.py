"""Recraft: background removal."""
