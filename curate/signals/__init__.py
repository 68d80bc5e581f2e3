"""Signals: what is measured of a document, each a column; and the rules of published recipes over them."""
