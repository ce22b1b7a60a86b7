"""What each model can do: one row per model, read once, never changed."""
