"""Two corpora or more, held against each other by the models they make; see `curate.ablate.run`."""
