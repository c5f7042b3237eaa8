"""The MLX backend. Importing this package imports no MLX: `blas.preload()` has to come before `mlx.core`."""
