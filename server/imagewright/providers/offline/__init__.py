"""Built in: no key, no network, no model. Drafts to rehearse with, and real picture work where none is needed."""
