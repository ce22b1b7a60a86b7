"""BytePlus and Volcengine Ark: Seedream."""
