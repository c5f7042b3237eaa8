"""Checking replies. A verifier never raises for anything in a reply and executes nothing from it, but for `code`, in a sandbox."""
