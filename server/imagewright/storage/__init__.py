"""Where things are kept: which paths may be touched, pictures on disk, and the library that finds them again."""

from __future__ import annotations


class ChangedFileError(Exception):
    """A file does not have the digest that was given for it: another program has changed it."""
