"""How requests are sent to vendors, each of them safe to repeat or not repeated. No vendor is known here."""
