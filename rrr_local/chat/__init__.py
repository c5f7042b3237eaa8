"""A chat, without a screen: what both front ends do with the engine and the log."""
