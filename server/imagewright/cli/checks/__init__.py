"""What `imagewright doctor` looks at; every check returns findings and none raises for what it finds."""
