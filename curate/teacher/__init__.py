"""The teacher: a language model that grades a sample of documents against a rubric, and how far to trust its grades."""
