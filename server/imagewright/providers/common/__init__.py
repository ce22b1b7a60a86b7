"""What vendors share: fields, uploads, recovery, JSON, and the user's tables of routes. No vendor is named here."""
