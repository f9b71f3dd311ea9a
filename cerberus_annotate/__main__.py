"""`python -m cerberus_annotate` is the command `cerberus-annotate`."""

from cerberus_annotate.cli import main

main()
