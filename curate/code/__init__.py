"""What a source file is: its language, its licence, the text of a notebook, The Stack's names for all of it."""
