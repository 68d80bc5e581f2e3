"""Time, memory, disk and money of a command before it is given, from a rehearsal on a share of its input.

curate plan score docs -o scored --threshold 3 --share 0.02 --workers 64
"""
