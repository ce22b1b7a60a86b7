"""Kie: one key for all seven models."""
