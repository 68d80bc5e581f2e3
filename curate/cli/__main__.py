"""`python -m curate.cli`, which is `curate`."""

from curate.cli import main

main()
