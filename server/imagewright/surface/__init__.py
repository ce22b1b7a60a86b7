"""The face towards assistants; the only floor that knows the protocol."""
