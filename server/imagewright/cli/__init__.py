"""The command line: starts the server, and does by hand what the server does for an assistant."""
