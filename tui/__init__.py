"""The Textual app: the next milestone. Until then everything is reached through the command line, `rrr`."""
