"""OpenAI, and every server that speaks its Images API."""
