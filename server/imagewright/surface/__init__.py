"""The MCP server: what assistants see. The only floor that knows the protocol."""
