"""Built in: no key, no network, no model. Placeholders, and real picture work where no model is needed."""
