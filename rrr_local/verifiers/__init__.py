"""Checking replies. A verifier executes nothing from a reply and never raises for anything in it."""
