"""Classifiers that learn a teacher's grades: a hashed n-gram gate, a frozen encoder with a head, and both together."""
