"""Telling a subject from its background without a model: where the background ends, and how softly."""
