"""Fitted judgements: one file holds the rubric, the encoder and the operating point of one quality, and its card."""
