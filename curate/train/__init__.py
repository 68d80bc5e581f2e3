"""A small trainer: model, optimiser, schedule, order of the data, one loop, export."""
