"""Reaching a public address safely; no vendor is known here."""
