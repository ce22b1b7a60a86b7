"""fal: one key for the functions of all seven tools."""
