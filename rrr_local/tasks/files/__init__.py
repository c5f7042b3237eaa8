"""Tasks out of a person's own files: a `task.toml` beside rows in CSV or JSONL."""
