"""`python -m paglets`: the command line, where the script is not on the path."""

from paglets.cli import main

main()
