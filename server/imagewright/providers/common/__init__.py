"""What vendors share: fields, uploads, recovery, reading JSON, and the user's tables of routes. No vendor by name."""
