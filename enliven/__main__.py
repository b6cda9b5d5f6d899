"""`python -m enliven`, the same as the command `enliven`."""

from enliven.cli import main

main()
