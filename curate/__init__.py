"""Raw web pages and source code in; a small, excellent training corpus, its evidence and a model trained on it out."""
