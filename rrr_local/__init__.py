"""rrr-local: a small model that reflects on its failures, retries, and learns from the retries that passed."""

__version__ = "0.1.0"
