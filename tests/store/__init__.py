"""Tests of the log. Real SQLite files, real child processes."""
