"""Clients that others wrote, each in an environment of its own, against this server: `python -m tests.clients`."""
