"""What the papers say, in pure PyTorch: one module per paper."""
