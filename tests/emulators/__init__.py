"""Vendors on loopback: real HTTP, strict about what they are sent, with faults on demand."""
