"""Backends: what owns a model's weights and caches. Nothing outside this folder imports mlx, torch or transformers."""
