"""Text as arrays: words, lines and n-grams of a whole batch, measured over Arrow's bytes by compiled kernels."""
