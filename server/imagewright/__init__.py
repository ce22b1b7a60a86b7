"""Seven image models as seven tools for an AI assistant."""

__version__ = "0.1.0"
