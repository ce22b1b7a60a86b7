"""Paths and files of this machine: what may be read, where may be written, and writing whole or not at all."""
