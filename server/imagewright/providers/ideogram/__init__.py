"""Ideogram: reframing."""
