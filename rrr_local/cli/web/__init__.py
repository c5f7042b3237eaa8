"""What `rrr serve` needs besides textual-serve: a server that lets in only who it should, and a page without outside requests."""
