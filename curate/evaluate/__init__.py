"""What a model knows: bits per byte of held-out text and likelihood suites."""
