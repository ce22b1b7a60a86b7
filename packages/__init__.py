"""What others install Imagewright from: a bundle for desktop clients, a plugin, an extension, an entry of a registry.

They are made from the settings table, the key table and the rows by `python -m packages.build`; none is committed.
"""
