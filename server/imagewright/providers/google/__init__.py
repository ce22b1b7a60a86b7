"""Google Gemini: Nano Banana."""
