"""Everything that looks at or changes a pixel. Blocking throughout: callers on an event loop run it in a thread."""
