"""What each model can do: one row per model, read once and never changed. No vendor is named here."""
