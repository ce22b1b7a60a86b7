"""One module per command, imported when that command is given; each has `main(words) -> exit code`."""
